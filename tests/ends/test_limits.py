"""More links or sessions than the peer takes, and what else must not cost the connection (2.7.1, 2.7.2)."""

import pytest

from tests.support.engines import AMQP_HEADER, frame
from tests.support.stage import Stage, attach, begin, joined


def is_open(endpoint):
    return endpoint.state == endpoint.LOCAL_ACTIVE | endpoint.REMOTE_ACTIVE


def answer(stage, handle_max=None):
    """Plays the peer's usual answers to the begins and attaches that were written, until there are none."""
    names = []
    for _ in range(20):
        frames = stage.written()
        names += [part.name for part in frames]
        answers = []
        for part in frames:
            if part.name == "begin" and part["remote_channel"] is None:
                answers.append(begin(channel=part.channel, remote_channel=part.channel, handle_max=handle_max))
            elif part.name == "attach":
                terminus = {"name": part["name"], "handle": part["handle"], "role": not part["role"]}
                start = 0 if part["role"] else None
                answers.append(
                    frame(
                        part.channel,
                        "attach",
                        source=part["source"],
                        target=part["target"],
                        initial_delivery_count=start,
                        **terminus,
                    )
                )
            elif part.name in ("detach", "end"):
                fields = {"handle": part["handle"], "closed": part["closed"]} if part.name == "detach" else {}
                answers.append(frame(part.channel, part.name, **fields))
        if not answers:
            stage.settle()
            if not stage._received:
                return names
            continue
        stage.send(*answers)
    raise AssertionError("no end of it")


@pytest.mark.parametrize("handle_max", [0, 1, 2])
@pytest.mark.parametrize("known", [True, False], ids=["the limit is known", "before the begin is answered"])
def test_a_link_beyond_handle_max_goes_to_a_session_of_its_own(handle_max, known):
    """The container made the session: it makes another one."""
    with Stage().open() as stage:
        links = []
        for number in range(2 * handle_max + 3):
            links.append(stage.container.create_sender(stage.connection, f"q{number}"))
            if known:
                stage.settle()
                answer(stage, handle_max)
        stage.settle()
        answer(stage, handle_max)
        assert all(is_open(link) for link in links) and is_open(stage.connection)
        by_session = {}
        for link in links:
            by_session.setdefault(link.session, []).append(link)
        assert max(map(len, by_session.values())) <= handle_max + 1
        assert not {"link_error", "session_error", "link_closed", "disconnected"} & set(stage.told())


@pytest.mark.parametrize("handle_max", [0, 2])
@pytest.mark.parametrize("known", [True, False], ids=["the limit is known", "before the begin is answered"])
def test_a_link_beyond_handle_max_of_a_session_of_the_program_fails_alone(handle_max, known):
    with Stage().open() as stage:
        session = stage.connection.session()
        session.open()
        if known:
            stage.settle()
            answer(stage, handle_max)
        links = [session.sender(f"L{number}") for number in range(handle_max + 2)]
        for link in links:
            link.open()
        stage.settle()
        answer(stage, handle_max)
        told = stage.told()
        assert [is_open(link) for link in links] == [True] * (handle_max + 1) + [False]
        assert (told.count("link_error"), told.count("link_closed")) == (1, 1)
        assert is_open(session) and is_open(stage.connection)
        assert not {"session_error", "disconnected", "transport_error"} & set(told)


@pytest.mark.parametrize("channel_max", [0, 1, 3])
def test_a_session_beyond_channel_max_fails_alone(channel_max):
    with Stage().open(channel_max=channel_max) as stage:
        sessions = [stage.connection.session() for _ in range(channel_max + 3)]
        for session in sessions:
            session.open()
        stage.settle()
        answer(stage)
        told = stage.told()
        assert sum(map(is_open, sessions)) == channel_max + 1 and is_open(stage.connection)
        assert (told.count("session_error"), told.count("session_closed")) == (2, 2)
        assert not {"disconnected", "transport_error", "connection_error"} & set(told)
        sender = sessions[0].sender("goes on")
        sender.open()
        stage.settle()
        answer(stage)
        assert is_open(sender)


@pytest.mark.parametrize("channel_max", [0, 1])
def test_a_session_beyond_channel_max_that_was_made_before_the_open_fails_alone(channel_max):
    with Stage() as stage:
        sessions = [stage.connection.session() for _ in range(channel_max + 2)]
        for session in sessions:
            session.open()
        stage.settle()
        stage.send(AMQP_HEADER + frame(0, "open", container_id="peer", channel_max=channel_max))
        frames = stage.written()
        for number in range(channel_max + 1):  # the peer passes over a channel that it does not have
            stage.send(begin(channel=number, remote_channel=number))
        # Its end would follow the answer to its begin (2.5.5).
        assert [part.name for part in frames if part.channel > channel_max] == ["begin"]
        assert [is_open(session) for session in sessions] == [True] * (channel_max + 1) + [False]
        assert is_open(stage.connection)
        told = stage.told()
        assert told == ["connection_opened", "session_error"] + ["session_opened"] * (channel_max + 1)
        assert sessions[-1].condition.name == "amqp:resource-limit-exceeded"


def test_an_end_of_a_link_that_was_asked_for_twice_is_one_end():
    stage, link = joined(sends=True)
    with stage:
        link.close()
        link.close()
        link.session.close()
        stage.settle()
        assert [part.name for part in stage.written()] == ["detach", "end"]
        stage.send(frame(0, "detach", handle=0, closed=True), frame(0, "end"))
        assert sorted(stage.told()) == ["link_closed", "session_closed"]


def test_attach_and_detach_of_the_peer_leave_nothing_behind():
    with Stage(server=True).open() as stage:
        stage.send(begin(reply=False)).forget()
        for number in range(3):
            stage.send(attach(f"L{number}", 0), frame(0, "detach", handle=0, closed=True)).settle()
        assert list(stage.connection.links(0)) == []
