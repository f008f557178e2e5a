"""Programs tested as their authors would, by the fixtures of the plugin: six of the examples, each with a cut, a
refused address, a rejected message and an orderly stop, in ten lines at most.
"""

from __future__ import annotations

import ast
import asyncio
import pathlib
from concurrent import futures

import pytest

from examples import asyncio_workers, client, server, simple_recv, simple_send, tx_send
from proton import Message, Url
from proton.asyncio import LinkClosed
from proton.handlers import Reject
from proton.reactor import Container

LINES = 10
FORCED = "amqp:connection:forced"


def numbers(broker):
    return sorted(message.id for message in broker.messages("q"))


# -- simple_send: with the broker in its thread --------------------------------------------------------------------


def test_simple_send_is_cut(amqp_broker):
    amqp_broker.answer_next("cut", when=lambda message: message.id == 5)
    program = simple_send.Send(f"{amqp_broker.url}/q", 10)
    Container(program).run()
    assert program.done
    assert set(numbers(amqp_broker)) == set(range(1, 11))
    assert len(amqp_broker.seen.connections) == 2


def test_simple_send_to_a_refused_address(amqp_broker, capsys):
    amqp_broker.refuse("q", "amqp:unauthorized-access")
    program = simple_send.Send(f"{amqp_broker.url}/q", 10)
    Container(program).run()
    assert not program.done
    assert amqp_broker.seen.links[0].refused and not amqp_broker.seen.messages


def test_simple_send_of_a_rejected_message(amqp_broker, capsys):
    amqp_broker.answer_next("rejected", "app:bad", when=lambda message: message.id == 3)
    program = simple_send.Send(f"{amqp_broker.url}/q", 5)
    Container(program).run()
    assert program.done and program.refused == 1
    assert numbers(amqp_broker) == [1, 2, 4, 5]
    assert capsys.readouterr().out == "1 messages refused\n"


def test_simple_send_to_a_broker_that_stops(amqp_joined):
    program = simple_send.Send("broker.example/q", 10)
    joined = amqp_joined(program)
    joined.broker.set_credit(4)
    joined.broker.answer_next("close", FORCED, when=lambda message: message.id == 4)
    joined.run_until(lambda: joined.finished)
    assert program.done and set(numbers(joined.broker)) == set(range(1, 11))


# -- simple_recv: in memory and virtual time -----------------------------------------------------------------------


def test_simple_recv_is_cut(amqp_joined, capsys):
    program = simple_recv.Receive("broker.example/q", 2)
    joined = amqp_joined(program)
    joined.broker.put("q", Message(id=1, body="one"))
    joined.run()
    joined.cut()
    joined.broker.put("q", Message(id=2, body="two"))
    joined.run_until(lambda: joined.finished)
    assert program.done and capsys.readouterr().out == "one\ntwo\n"


def test_simple_recv_from_a_refused_address(amqp_broker):
    amqp_broker.refuse("q", role="receiver")
    program = simple_recv.Receive(f"{amqp_broker.url}/q", 1)
    Container(program).run()
    assert not program.done and program.received == 0


class Picky(simple_recv.Receive):
    def on_message(self, event):
        if event.message.body == "bad":
            raise Reject()
        super().on_message(event)


def test_simple_recv_rejects_a_message(amqp_broker_factory):
    broker = amqp_broker_factory(dead_letters="dead")
    broker.put("q", Message(id=1, body="bad"), Message(id=2, body="good"))
    Container(Picky(f"{broker.url}/q", 1)).run()
    broker.wait_for(lambda seen: len(seen.outcomes) == 2)
    assert [message.body for message in broker.messages("dead")] == ["bad"]
    assert broker.messages("q") == []


def test_simple_recv_from_a_broker_that_stops(amqp_joined):
    program = simple_recv.Receive("broker.example/q", 2)
    joined = amqp_joined(program)
    joined.broker.put("q", Message(id=1))
    joined.run()
    joined.broker.stop()
    joined.advance(30)
    joined.broker.start()
    joined.broker.put("q", Message(id=2))
    joined.run_until(lambda: program.done)


# -- server ----------------------------------------------------------------------------------------------------------


def ask(broker, *texts):
    broker.put("q", *(Message(body=text, reply_to="answers", correlation_id=text) for text in texts))


def answers(broker):
    return [message.body for message in broker.messages("answers")]


def test_server_is_cut(amqp_joined):
    joined = amqp_joined(server.Server("broker.example/q"))
    ask(joined.broker, "one")
    joined.run()
    joined.cut()
    ask(joined.broker, "two")
    joined.advance(10)
    assert answers(joined.broker) == ["ONE", "TWO"]


def test_server_at_a_refused_address(amqp_joined):
    joined = amqp_joined(server.Server("broker.example/q"), nodes=["other"])
    joined.run()
    assert joined.finished and joined.broker.addresses == ["other"]
    assert [each.kind for each in joined.broker.seen.ends] == ["connection"]


def test_server_goes_on_after_a_rejected_answer(amqp_joined):
    joined = amqp_joined(server.Server("broker.example/q"))
    joined.broker.answer_next("rejected", "amqp:resource-limit-exceeded")
    ask(joined.broker, "one", "two")
    joined.run()
    assert answers(joined.broker) == ["TWO"]
    assert [each.answer for each in joined.broker.seen.messages] == ["rejected", "accepted"]


def test_server_of_a_broker_that_stops(amqp_joined):
    joined = amqp_joined(server.Server("broker.example/q"))
    joined.run()
    joined.broker.stop()
    joined.broker.start()
    ask(joined.broker, "one")
    joined.advance(10)
    assert answers(joined.broker) == ["ONE"]


# -- client: with the server, all in memory --------------------------------------------------------------------------


def with_server(amqp_joined, *texts):
    program = client.Client("broker.example/q", texts)
    joined = amqp_joined(program)
    joined.add(server.Server("broker.example/q"))
    return program, joined


def test_client_and_server(amqp_joined, capsys):
    program, joined = with_server(amqp_joined, "one", "two")
    joined.run()
    assert joined.finished and program.done
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "=>" in line] == ["one => ONE", "two => TWO"]


def test_client_is_cut(amqp_joined, capsys):
    program, joined = with_server(amqp_joined, "one", "two")
    joined.broker.answer_next("cut", when=lambda message: message.body == "two")
    joined.run_until(lambda: program.done)
    assert "two => TWO\n" in capsys.readouterr().out
    assert [each.at for each in joined.connects] == [0, 0, 0]


def test_client_of_a_refused_address(amqp_broker):
    amqp_broker.refuse("q", role="sender")
    program = client.Client(f"{amqp_broker.url}/q", ["one"])
    Container(program).run()
    assert not program.done


def test_client_of_a_rejected_request_waits(amqp_joined):
    program, joined = with_server(amqp_joined, "one")
    joined.broker.answer_next("rejected", address="q")
    joined.advance(3600)
    assert not program.done and not joined.finished


def test_client_of_a_broker_that_stops(amqp_joined):
    program, joined = with_server(amqp_joined, "one", "two")
    joined.broker.answer_next("close", FORCED, when=lambda message: message.body == "two")
    joined.run_until(lambda: program.done)
    assert len(joined.broker.seen.connections) == 3


# -- tx_send ---------------------------------------------------------------------------------------------------------


def test_tx_send_is_cut(amqp_joined):
    program = tx_send.Send("broker.example/q", 20, 5)
    joined = amqp_joined(program)
    joined.broker.answer_next("cut", when=lambda message: message.id == 8)
    joined.run_until(lambda: program.done)
    # The batch that was cut is not there twice: it was not committed.
    assert numbers(joined.broker) == list(range(1, 21))


def test_tx_send_to_a_refused_address(amqp_broker):
    amqp_broker.refuse("q")
    program = tx_send.Send(f"{amqp_broker.url}/q", 20, 5)
    Container(program).run()
    assert not program.done and program.committed == 0


def test_tx_send_of_a_rejected_message(amqp_broker):
    amqp_broker.answer_next("rejected", when=lambda message: message.id == 3)
    program = tx_send.Send(f"{amqp_broker.url}/q", 10, 5)
    Container(program).run()
    assert program.done
    assert numbers(amqp_broker) == list(range(1, 11))


def test_tx_send_to_a_broker_that_stops(amqp_joined):
    program = tx_send.Send("broker.example/q", 20, 5)
    joined = amqp_joined(program)
    joined.broker.answer_next("close", FORCED, when=lambda message: message.id == 12)
    joined.run_until(lambda: program.done)
    assert numbers(joined.broker) == list(range(1, 21))


# -- asyncio_workers -------------------------------------------------------------------------------------------------


def workers(broker, seconds=1.0):
    return asyncio_workers.main(Url(f"{broker.url}/q"), 2, seconds)


def test_workers_reject_a_message(amqp_broker, capsys):
    amqp_broker.put("q", *(Message(id=n, body=body) for n, body in enumerate([2, "three", 4])))
    asyncio.run(workers(amqp_broker, 0.2))
    assert "2 jobs done by 2 workers" in capsys.readouterr().out
    states = {each.id: each.state for each in amqp_broker.seen.outcomes}
    assert states == {0: "ACCEPTED", 1: "REJECTED", 2: "ACCEPTED"}


def test_workers_at_a_refused_address(amqp_broker):
    amqp_broker.refuse("q")
    with pytest.raises(LinkClosed, match="amqp:not-found"):
        asyncio.run(workers(amqp_broker))


@pytest.mark.parametrize("fault", ["cut", "stop"])
def test_workers_lose_the_broker(amqp_broker, capsys, fault):
    with futures.ThreadPoolExecutor(1) as thread:
        program = thread.submit(asyncio.run, workers(amqp_broker))
        amqp_broker.wait_for(lambda seen: seen.links)
        getattr(amqp_broker, fault)()
        assert amqp_broker.running or amqp_broker.start() is None
        amqp_broker.put("q", Message(body=5))
        program.result()
    assert "5 => 25" in capsys.readouterr().out


# -- the lines -------------------------------------------------------------------------------------------------------


def functions():
    tree = ast.parse(pathlib.Path(__file__).read_text(encoding="utf-8"))
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)]


def test_each_test_has_ten_lines_at_most():
    found = {node.name: node.end_lineno - node.lineno + 1 for node in functions()}
    assert {name: lines for name, lines in found.items() if lines > LINES} == {}


def test_each_program_has_each_situation():
    names = [node.name for node in functions()]
    for program in ("simple_send", "simple_recv", "server", "client", "tx_send", "workers"):
        of_it = [name for name in names if name.startswith(f"test_{program}_")]
        for words in (("cut", "lose"), ("refused_address",), ("reject",), ("stops", "lose")):
            assert any(word in name for name in of_it for word in words), (program, words)
