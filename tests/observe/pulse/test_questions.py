"""Which answers show that the server itself gave them."""

from anycast_routed.observe.pulse.questions import NO_RECURSION, is_local, meaning


def test_an_answer_from_a_cache_proves_nothing() -> None:
    cached, own = b"\0\0\x80\x80" + bytes(8), b"\0\0\x84\x80" + bytes(8)
    refused = b"\0\0\x80\x05" + bytes(8)
    assert [is_local(NO_RECURSION, one) for one in (cached, own, refused)] == [False, True, True]
    assert is_local(1, cached)


def test_the_meaning_of_an_answer_is_its_rcode_and_whether_it_has_records() -> None:
    assert meaning(b"\0\0\x81\x80\0\1\0\1" + bytes(4)) == (0, True)
    assert meaning(b"\0\0\x81\x82\0\1\0\0" + bytes(4)) == (2, False)
    assert meaning(b"\0\0\x83\x80\0\1\0\1" + bytes(4)) is None, "it is truncated"
