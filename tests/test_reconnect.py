"""`ReconnectPolicy` alone: the time is a number and so is chance. Nothing connects."""

import pytest

from proton import Condition
from proton.reconnect import RETRIABLE, Backoff, ReconnectPolicy, Urls

FORCED = Condition("amqp:connection:forced", "shutdown")
NO_QUEUE = Condition("amqp:not-found", "no queue 'q'")


def policy(*addresses, reconnect=None, retry_on=None, chance=lambda: 0.0):
    return ReconnectPolicy(Urls(addresses or ("a",)), reconnect, retry_on, chance)


class Life:
    """Lives through attempts in virtual time; `attempts` has when and where each was made."""

    def __init__(self, policy, opens=False, stays=0.0, progress=False):
        self.policy, self.opens, self.stays, self.progress = policy, opens, stays, progress
        self.now = 0.0
        self.attempts = []

    def run(self, until):
        place = self.policy.start()
        while True:
            self.attempts.append((round(self.now, 3), place.host))
            if self.opens:
                self.policy.connected(self.now)
                self.now += self.stays
            following = self.policy.lost(self.now, self.progress)
            if following is None or self.now + following.delay >= until:
                return self.attempts
            self.now += following.delay
            place = following.address


def times(attempts):
    return [when for when, _ in attempts]


def between(found):
    return [round(late - early, 3) for early, late in zip(found, found[1:])]


def test_default_delays_double_up_to_ten_seconds():
    assert times(Life(policy()).run(60)) == [0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 12.7, 22.7, 32.7, 42.7, 52.7]


def test_each_delay_is_for_all_addresses():
    found = Life(policy("a", "b")).run(0.7)
    assert found == [(0, "a"), (0, "b"), (0.1, "a"), (0.2, "b"), (0.4, "a"), (0.6, "b")]


@pytest.mark.parametrize(("chance", "least", "most"), [(0.0, 12, 12), (0.5, 12, 17), (1.0, 12, 20)])
def test_a_peer_that_opens_and_closes_at_once_sees_growing_delays(chance, least, most):
    found = times(Life(policy(chance=lambda: chance), opens=True).run(60))
    assert least <= len(found) <= most + 1
    gaps = between(found)
    assert gaps == sorted(gaps) and gaps[0] == 0


def test_a_settled_delivery_begins_afresh():
    found = times(Life(policy(reconnect=[0, 5, 7]), opens=True, stays=1, progress=True).run(4))
    assert found == [0, 1, 2, 3]


@pytest.mark.parametrize(("stays", "gaps"), [(29.0, [29.0, 34.0, 36.0]), (30.0, [30.0, 30.0, 30.0])])
def test_thirty_seconds_begin_afresh(stays, gaps):
    found = times(Life(policy(reconnect=[0, 5, 7]), opens=True, stays=stays).run(100))
    assert between(found) == gaps[: len(found) - 1]


def test_given_delays_have_no_jitter():
    assert times(Life(policy(reconnect=[0, 1, 2], chance=lambda: 1.0)).run(60)) == [0, 1, 3]
    assert times(Life(policy(reconnect=Backoff(max_tries=3), chance=lambda: 1.0)).run(60)) == [0, 0.1, 0.3]


@pytest.mark.parametrize("reconnect", [None, True])
def test_default_delays_have_jitter(reconnect):
    assert times(Life(policy(reconnect=reconnect, chance=lambda: 1.0)).run(2)) == [0, 0.05, 0.15, 0.35, 0.75, 1.55]


def test_delays_that_are_set_are_looked_at_as_those_that_are_given():
    changed = policy(reconnect=False)
    changed.reconnect = True
    assert times(Life(changed).run(0.5)) == [0, 0.1, 0.3]
    with pytest.raises(TypeError, match="a Backoff or a sequence of seconds, got int 5"):
        changed.reconnect = 5
    assert changed.reconnect is None


@pytest.mark.parametrize(
    ("reconnect", "reason"), [(False, "reconnect disabled"), ([0], "no attempt is left")], ids=["off", "used up"]
)
def test_the_end_of_attempts_has_a_reason(reconnect, reason):
    ended = policy(reconnect=reconnect)
    ended.start()
    assert (ended.finished, ended.reason) == (False, None)
    assert ended.lost(0.0) is None
    assert (ended.finished, ended.reason) == (True, reason)
    assert ended.start().host == "a" and not ended.finished


def test_attempts_are_counted_from_each_loss():
    counted = policy()
    counted.start()
    assert counted.attempts == 1
    assert [counted.lost(0.0).number for _ in range(3)] == [2, 3, 4]
    counted.connected(1.0)
    assert counted.attempts == 4
    assert counted.lost(2.0).number == counted.attempts == 1


@pytest.mark.parametrize("name", sorted(RETRIABLE))
def test_what_can_pass_by_default(name):
    assert policy().can_pass(Condition(name))
    assert not policy(reconnect=False).can_pass(Condition(name))
    assert not policy().link_can_pass(Condition(name))


@pytest.mark.parametrize("condition", [None, NO_QUEUE, Condition("amqp:unauthorized-access"), Condition("x")], ids=str)
def test_what_cannot_pass_by_default(condition):
    assert not policy().can_pass(condition)


@pytest.mark.parametrize(
    "retry_on", [["amqp:not-found"], {"amqp:not-found"}, lambda condition: "queue" in condition.description]
)
def test_the_program_says_what_can_pass(retry_on):
    named = policy(retry_on=retry_on)
    assert named.can_pass(NO_QUEUE) and named.link_can_pass(NO_QUEUE)
    assert not named.can_pass(FORCED) and not named.can_pass(None)


def test_a_fatal_condition_cannot_pass():
    fatal = policy(retry_on=["amqp:not-found"])
    names = []
    fatal.fatal_conditions = [names]
    assert fatal.can_pass(NO_QUEUE)
    names.append("amqp:not-found")
    assert not fatal.can_pass(NO_QUEUE) and not fatal.link_can_pass(NO_QUEUE)


@pytest.mark.parametrize(
    ("retry_on", "came"),
    [("amqp:not-found", "str 'amqp:not-found'"), (5, "int 5"), ([5], "int 5 in it"), (b"x", "bytes b'x'")],
    ids=repr,
)
def test_what_is_not_collection_of_names_is_refused(retry_on, came):
    with pytest.raises(TypeError, match="retry_on takes a collection of names or a callable, got " + came):
        policy(retry_on=retry_on)


def test_the_same_condition_without_progress_passes_four_times():
    repeated = policy()
    series = repeated.series_for_endpoint()
    assert [repeated.passes(series, (n, FORCED), 0.0, False) for n in range(6)] == [True] * 4 + [False] * 2


def test_an_end_is_counted_once_however_often_it_is_asked_about():
    repeated = policy()
    series = repeated.series_for_endpoint()
    assert [repeated.passes(series, (7, FORCED), 0.0, False) for _ in range(10)] == [True] * 10


@pytest.mark.parametrize("change", ["progress", "another condition", "time"])
def test_what_begins_the_count_anew(change):
    repeated = policy()
    series = repeated.series_for_endpoint()
    for n in range(4):
        assert repeated.passes(series, (n, FORCED), 0.0, False)
    series.opened_at = 10.0
    condition = Condition("amqp:internal-error") if change == "another condition" else FORCED
    assert repeated.passes(series, (4, condition), 40.0 if change == "time" else 10.0, change == "progress")
    assert series.count == 1


def test_a_reason_that_comes_again_is_given_time():
    repeated = policy()
    series = repeated.series_for_endpoint()
    pauses = []
    for n in range(4):
        repeated.passes(series, (n, FORCED), 0.0, False)
        pauses.append(repeated.pause(series.step(), series))
    assert pauses == [0.0, 1.0, 2.0, 4.0]


def test_lines_in_the_log_are_due_at_the_first_failure_and_at_each_doubling():
    told = policy()
    due = []
    for tenths in range(700):
        if told.is_due(tenths / 10):
            told.told(tenths / 10)
            due.append(tenths / 10)
    assert due == [0, 1, 2, 4, 8, 16, 32, 64]


def test_a_connection_that_is_back_says_how_long_it_was_away():
    back = policy()
    back.start()
    assert back.connected(0.0) is None
    back.told(10.0)
    back.lost(10.0)
    assert back.connected(12.5) == 2.5


@pytest.mark.parametrize(("opened", "progress"), [(100.0, True), (1.0, False)], ids=["progress", "long open"])
def test_after_progress_a_loss_is_told_anew_and_so_is_its_return(opened, progress):
    anew = policy()
    anew.start()
    anew.told(0.0)
    anew.lost(0.0)
    anew.connected(opened)
    anew.ended(101.0, progress)
    assert anew.is_due(101.0)
    anew.told(101.0)
    anew.lost(101.0, progress)
    assert anew.connected(101.5) == 0.5


def test_without_progress_it_is_one_failure():
    one = policy()
    one.start()
    one.told(0.0)
    one.lost(0.0)
    one.connected(0.5)
    one.ended(0.75, False)
    one.lost(0.75)
    assert not one.is_due(0.75)
