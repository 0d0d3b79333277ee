"""Changes of directories and symbolic links on the way to a watched file."""

from pathlib import Path

from tests.observe.watched_files import reported, watching


def fill_volume(directory: Path, content: str) -> None:
    """Fill a volume as the kubelet does: config -> ..data/config, ..data -> ..CONTENT."""
    (directory / f"..{content}").mkdir()
    (directory / f"..{content}" / "config").write_text(content)
    (directory / "..data_tmp").symlink_to(f"..{content}")
    (directory / "..data_tmp").rename(directory / "..data")
    if not (directory / "config").is_symlink():
        (directory / "config").symlink_to("..data/config")


async def test_a_kubernetes_volume_behind_a_link_is_followed(tmp_path: Path) -> None:
    mount, etc = tmp_path / "mount", tmp_path / "etc"
    mount.mkdir()
    fill_volume(mount, "old")
    etc.symlink_to(mount)
    config = etc / "config"
    async with watching(config) as watch:
        for content in ("new", "newer"):
            fill_volume(mount, content)
            assert await reported(watch) == {config}
            assert config.read_text() == content
        (mount / "..newer" / "config").write_text("edited in place")
        assert await reported(watch) == {config}
        (tmp_path / "elsewhere").mkdir()
        fill_volume(tmp_path / "elsewhere", "swapped")
        etc.unlink()
        etc.symlink_to("elsewhere")
        assert await reported(watch) == {config}


async def test_a_directory_may_be_created_removed_and_created_again(tmp_path: Path) -> None:
    config = tmp_path / "a" / "b" / "config"
    async with watching(config) as watch:
        for content in ("one", "two"):
            config.parent.mkdir(parents=True)
            config.write_text(content)
            assert await reported(watch) == {config}
            config.write_text(f"{content}, edited")
            assert await reported(watch) == {config}
            config.unlink()
            config.parent.rmdir()
            config.parent.parent.rmdir()
            assert await reported(watch) == {config}


async def test_a_directory_may_be_replaced_by_another(tmp_path: Path) -> None:
    config = tmp_path / "etc" / "config"
    config.parent.mkdir()
    config.write_text("old")
    async with watching(config, poll=0.1) as watch:
        config.parent.rename(tmp_path / "etc.old")
        assert await reported(watch) == {config}
        config.parent.mkdir()
        config.write_text("new")
        assert await reported(watch) == {config}


async def test_dangling_and_circular_links_are_watched(tmp_path: Path) -> None:
    round_about, dangling = tmp_path / "round", tmp_path / "dangling"
    round_about.symlink_to(round_about)
    dangling.symlink_to("missing/config")
    async with watching(round_about, dangling) as watch:
        (tmp_path / "missing").mkdir()
        (tmp_path / "missing" / "config").write_text("new")
        assert await reported(watch) == {dangling}
        round_about.unlink()
        round_about.write_text("new")
        assert await reported(watch) == {round_about}
