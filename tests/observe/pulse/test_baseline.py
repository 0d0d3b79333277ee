"""What is learnt of a server's answers, and which changes of them are reported."""

from anycast_routed.observe.pulse.baseline import AnsweredForms, UsualAnswer

OK, SERVFAIL, REFUSED = (0, True), (2, False), (5, False)


def test_forms_that_are_answered_at_once_are_learnt_and_forgotten() -> None:
    forms, now = AnsweredForms(), 100.0
    assert forms.proven() == []
    for _ in range(3):
        form = forms.next_form(now, healthy=True)
        assert form is not None
        forms.answered(form, 0.001 if form else 0.5)
    assert forms.proven() == [1, 2], "the first was answered, but not at once"
    for _ in range(3 * 3 + 1):
        now += 3.1
        if (form := forms.next_form(now, healthy=True)) == 1:
            forms.answered(form, 0.001)
    assert forms.proven() == [1]
    for _ in range(3 * 3):
        now += 3.1
        forms.next_form(now, healthy=False)
    assert forms.proven() == [1], "an unhealthy server teaches nothing by its silence"


def test_a_change_is_reported_once_until_a_check() -> None:
    usual = UsualAnswer()
    assert not usual.compare(OK, 1)
    usual.settle()
    assert (
        usual.compare(SERVFAIL, 2)
        == "it answers SERVFAIL without records, and before NOERROR with records"
    )
    assert not usual.compare(SERVFAIL, 3)
    assert usual.compare(REFUSED, 4)
    assert not usual.compare(OK, 5), "that is the usual answer"
    assert not usual.compare(SERVFAIL, 6), "that was reported"
    usual.settle()
    assert not usual.compare(SERVFAIL, 7)
    assert usual.compare(OK, 8)


def test_a_server_that_changes_all_the_time_is_reported_once_a_second() -> None:
    usual = UsualAnswer()
    reported = 0
    for number in range(1000):
        reported += bool(usual.compare(OK if number % 2 else SERVFAIL, 100 + number / 10))
        usual.settle()
    assert 90 <= reported <= 110
