"""SCRAM (RFC 5802, 7677) on both sides, and the verifiers that a server keeps in place of passwords (RFC 5803).

A client that has said OK to an outcome has checked the server's signature before: a server that does not know the
password cannot give one. A server compares in constant time, and goes through the whole exchange with a user that it
does not know. Channel binding is not offered, as the standard library's TLS has none for TLS 1.3.
"""

from __future__ import annotations

import os
from typing import Any, Callable, NamedTuple

from proton.codec.text import quote
from proton.lazy import base64, hashlib, hmac
from proton.transport.sasl.exchange import AuthenticationFailed
from proton.transport.sasl.saslprep import saslprep

__all__ = ["SCRAM_HASHES", "ScramClient", "ScramServer", "ScramVerifier"]

#: the mechanisms, the strongest first, and their hash
SCRAM_HASHES = {"SCRAM-SHA-512": "sha512", "SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1"}

#: for a password that is given in clear; a server should not go below (RFC 7677 4)
DEFAULT_ITERATIONS = 4096
#: the server chooses, and the client does the work: about a second at most
MAX_ITERATIONS = 1_000_000
_SALT_BYTES = 16
_WRONG_LOGIN = "wrong user name or password"


class ScramVerifier(NamedTuple):
    """What a server stores of a password for one mechanism; it does not suffice to log in (RFC 5803).

    :param mechanism: such as ``"SCRAM-SHA-256"``.
    :param salt: random bytes.
    :param iterations: how often the password was hashed.
    :param stored_key: bytes, to check the client with.
    :param server_key: bytes, to prove to the client that this is the server.
    """

    mechanism: str
    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes

    @classmethod
    def make(
        cls, mechanism: str, password: str, iterations: int = DEFAULT_ITERATIONS, salt: bytes | None = None
    ) -> ScramVerifier:
        """Make the verifier of a password.

        :param mechanism: ``"SCRAM-SHA-1"``, ``"SCRAM-SHA-256"`` or ``"SCRAM-SHA-512"``.
        :param password: the password.
        :param iterations: how often to hash; more is slower for an attacker, and for every login.
        :param salt: random bytes; made when left out.
        :raises ValueError: another mechanism, or a password with characters that SASLprep does not allow.
        """
        if mechanism not in SCRAM_HASHES:
            raise ValueError(f"expected a mechanism of {', '.join(SCRAM_HASHES)}, got {mechanism!r}")
        if not 1 <= iterations <= MAX_ITERATIONS:
            raise ValueError(f"expected 1 to {MAX_ITERATIONS} iterations, got {iterations}")
        salt = salt if salt is not None else os.urandom(_SALT_BYTES)
        name = SCRAM_HASHES[mechanism]
        # RFC 5802 3. The client key would be enough to log in with, so only its hash is stored.
        salted = hashlib.pbkdf2_hmac(name, saslprep(password).encode("utf-8"), salt, iterations)
        stored_key = hashlib.new(name, hmac.digest(salted, b"Client Key", name)).digest()
        return cls(mechanism, salt, iterations, stored_key, hmac.digest(salted, b"Server Key", name))

    @classmethod
    def parse(cls, text: str) -> ScramVerifier:
        """Read the form of RFC 5803: ``SCRAM-SHA-256$4096:salt$stored-key:server-key``, the last three in base64.

        :param text: such a text.
        :raises ValueError: not of that form.
        """
        try:
            mechanism, parameters, keys = text.split("$")
            iterations, salt = parameters.split(":")
            stored_key, server_key = keys.split(":")
            decoded = [base64.b64decode(part, validate=True) for part in (salt, stored_key, server_key)]
            count = int(iterations)
        except ValueError:
            raise ValueError("expected MECHANISM$iterations:salt$stored-key:server-key, got another text") from None
        # A key of another size matches no proof: better an error here than logins that fail for no visible reason.
        size = hashlib.new(SCRAM_HASHES[mechanism]).digest_size if mechanism in SCRAM_HASHES else -1
        if len(decoded[1]) != size or len(decoded[2]) != size or not 1 <= count <= MAX_ITERATIONS:
            raise ValueError(f"expected a verifier of {', '.join(SCRAM_HASHES)} with keys of its size, got another")
        return cls(mechanism, decoded[0], count, decoded[1], decoded[2])

    def __str__(self) -> str:
        salt, stored_key, server_key = (
            base64.b64encode(part).decode("ascii") for part in (self.salt, self.stored_key, self.server_key)
        )
        return f"{self.mechanism}${self.iterations}:{salt}${stored_key}:{server_key}"

    def __repr__(self) -> str:
        return f"<ScramVerifier {self.mechanism} iterations={self.iterations}>"

    def accepts(self, password: str) -> bool:
        """Whether a password is the one that this was made of; it takes as long for a wrong one.

        :param password: the password.
        """
        try:
            made = ScramVerifier.make(self.mechanism, password, self.iterations, self.salt)
        except ValueError:
            return False
        return hmac.compare_digest(made.stored_key, self.stored_key)


def _parse_attributes(message: bytes, first: str) -> dict[str, str]:
    """The attributes of a SCRAM message, which has to begin with a certain one; values are not shown in errors."""
    try:
        parts = message.decode("utf-8").split(",")
    except UnicodeDecodeError:
        raise AuthenticationFailed("malformed SCRAM message: expected UTF-8") from None
    found: dict[str, str] = {}
    # Each once: of two attributes with one name the ends might take different ones, and yet sign the same message.
    for part in parts:
        if len(part) < 2 or part[1] != "=" or part[0] in found:
            raise AuthenticationFailed("malformed SCRAM message: expected attributes as in a=value, each once")
        found[part[0]] = part[2:]
    # RFC 5802 5.1: an extension that must be understood; optional ones, behind what is known, are passed over.
    if "m" in found:
        raise AuthenticationFailed("malformed SCRAM message: a mandatory extension is not known")
    if not parts[0].startswith(first + "="):
        raise AuthenticationFailed(f"malformed SCRAM message: expected attribute {first} first, got {parts[0][0]!r}")
    return found


def _decode_attribute(found: dict[str, str], name: str) -> bytes:
    try:
        return base64.b64decode(found[name].encode("ascii"), validate=True)
    except KeyError:
        raise AuthenticationFailed(f"malformed SCRAM message: expected attribute {name}, got none") from None
    except ValueError:  # `binascii.Error` is one
        raise AuthenticationFailed(f"malformed SCRAM message: expected base64 in attribute {name}") from None


def _escape(name: str) -> str:
    return name.replace("=", "=3D").replace(",", "=2C")


def _unescape(name: str) -> str:
    # RFC 5802 5.1: any other "=" must fail, or one user would have several spellings.
    if "=" in name.replace("=2C", "").replace("=3D", ""):
        raise AuthenticationFailed("malformed SCRAM message: expected = only as =2C or =3D in a user name")
    return name.replace("=2C", ",").replace("=3D", "=")


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b))


def _new_nonce() -> str:
    # Base64 has no comma, which would end the attribute (RFC 5802 5.1).
    return base64.b64encode(os.urandom(18)).decode("ascii")


class ScramClient:
    """The client's side.

    :param mechanism: one of `SCRAM_HASHES`.
    :param nonce: random text, made when left out.
    :raises AuthenticationFailed: user or password have characters that SASLprep does not allow.
    """

    def __init__(
        self, mechanism: str, user: str, password: str, authorization: str | None = None, nonce: str | None = None
    ) -> None:
        self.name = mechanism
        self._hash = SCRAM_HASHES[mechanism]
        try:
            prepared, self._password = saslprep(user), saslprep(password).encode("utf-8")
        except ValueError as error:
            raise AuthenticationFailed(f"user name or password cannot be prepared: {error}") from None
        if not prepared:
            raise AuthenticationFailed("expected a user name, nothing is left of it when it is prepared")
        self._nonce = nonce or _new_nonce()
        # "n": no channel binding. "y" would claim that this client could bind if the server did (RFC 5802 6).
        self._header = f"n,{'a=' + _escape(authorization) if authorization else ''},".encode()
        self._first = f"n={_escape(prepared)},r={self._nonce}".encode()
        #: the initial response
        self.initial: bytes | None = self._header + self._first
        self._signature: bytes | None = None  # what the server has to show, once it is known
        self._verified = False

    def respond(self, challenge: bytes) -> bytes:
        """The answer to a challenge.

        :raises AuthenticationFailed: the server does not follow the mechanism, or does not know the password.
        """
        if self._signature is None:
            return self._prove(challenge)
        self._verify(challenge)
        return b""

    def finish(self, additional: bytes | None) -> None:
        """The outcome was OK: by now the server has shown that it knows the password.

        :param additional: the additional data of the outcome; some servers have their signature in it.
        :raises AuthenticationFailed: it has not.
        """
        if additional and not self._verified:
            self._verify(additional)
        if not self._verified:
            raise AuthenticationFailed("the server has not proved that it knows the password")

    def _prove(self, challenge: bytes) -> bytes:
        found = _parse_attributes(challenge, "r")
        nonce, salt = found["r"], _decode_attribute(found, "s")
        # RFC 5802 5.1: with another nonce, a recorded answer could be played again. The server has to add to it.
        if not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce):
            raise AuthenticationFailed("expected a server nonce that goes on from the client's, got another")
        # The length first: converting a long text of digits takes time that grows with its square.
        count = found.get("i", "none")
        if not count.isdecimal() or len(count) > 9 or not 1 <= int(count) <= MAX_ITERATIONS:
            raise AuthenticationFailed(f"expected 1 to {MAX_ITERATIONS} iterations, got {quote(count[:20].encode())}")
        name = self._hash
        salted = hashlib.pbkdf2_hmac(name, self._password, salt, int(count))
        self._password = b""  # dropped as soon as possible; Python cannot overwrite it
        client_key = hmac.digest(salted, b"Client Key", name)
        final = b"c=" + base64.b64encode(self._header) + b",r=" + nonce.encode()
        message = b",".join((self._first, challenge, final))
        proof = _xor(client_key, hmac.digest(hashlib.new(name, client_key).digest(), message, name))
        self._signature = hmac.digest(hmac.digest(salted, b"Server Key", name), message, name)
        return final + b",p=" + base64.b64encode(proof)

    def _verify(self, message: bytes) -> None:
        if self._verified:
            raise AuthenticationFailed("expected the outcome, got another challenge")
        # The text is one of a list (RFC 5802 7), but a hostile server may send anything.
        if message.startswith(b"e="):
            raise AuthenticationFailed(f"the server says: {quote(message[2:80])}")
        signature = _decode_attribute(_parse_attributes(message, "v"), "v")
        if self._signature is None or not hmac.compare_digest(signature, self._signature):
            raise AuthenticationFailed("the server's proof is wrong: it does not know the password")
        self._verified = True


class ScramServer:
    """The server's side.

    :param mechanism: one of `SCRAM_HASHES`.
    :param store: has `verifier(user, mechanism)`, which returns a `ScramVerifier` and whether it is a real one.
    :param nonce: random text, made when left out.
    """

    def __init__(self, mechanism: str, store: Any, nonce: str | None = None) -> None:
        self.name = mechanism
        self._store = store
        self._nonce = nonce or _new_nonce()
        #: the user and the identity to act as, once the exchange is done
        self.user: str | None = None
        self.authorization: str | None = None
        self._user = ""
        self._known = False
        # Plain functions: a bound method stored on its own object is a reference cycle.
        self._step: Callable[[ScramServer, bytes | None], bytes | None] = ScramServer._first
        self._header = self._bare = self._challenge = b""
        self._verifier: ScramVerifier | None = None

    def receive(self, response: bytes | None) -> bytes | None:
        """The challenge that follows a response; None when the exchange is done.

        :raises AuthenticationFailed: the client is not let in.
        """
        return self._step(self, response)

    def _first(self, response: bytes | None) -> bytes | None:
        if response is None:  # RFC 4422 5: a client without initial response gets an empty challenge
            return b""
        binding, separator, rest = response.partition(b",")
        authorization, second, bare = rest.partition(b",")
        if not separator or not second:
            raise AuthenticationFailed("malformed SCRAM message: expected a gs2 header")
        # "y": the client could bind, and has seen that no mechanism with -PLUS is offered (RFC 5802 6), which is true.
        if binding not in (b"n", b"y"):
            raise AuthenticationFailed("channel binding is not offered")
        if authorization and not authorization.startswith(b"a="):
            raise AuthenticationFailed("malformed SCRAM message: expected a=identity in the gs2 header")
        found = _parse_attributes(bare, "n")
        if not found.get("r"):
            raise AuthenticationFailed("malformed SCRAM message: expected attribute r, got none")
        self._header, self._bare = binding + b"," + authorization + b",", bare
        try:
            self._user = saslprep(_unescape(found["n"]))
            self.authorization = _unescape(authorization[2:].decode("utf-8")) or None
        except ValueError as error:
            raise AuthenticationFailed(f"user name cannot be prepared: {error}") from None
        if not self._user:
            raise AuthenticationFailed("malformed SCRAM message: expected a user name, got none")
        # An invented verifier for an unknown user: its exchange looks and takes as long as any other.
        self._verifier, self._known = self._store.verifier(self._user, self.name)
        self._nonce = found["r"] + self._nonce
        salt = base64.b64encode(self._verifier.salt).decode("ascii")
        self._challenge = f"r={self._nonce},s={salt},i={self._verifier.iterations}".encode()
        self._step = ScramServer._final
        return self._challenge

    def _final(self, response: bytes | None) -> bytes | None:
        without_proof, separator, rest = (response or b"").rpartition(b",p=")
        if not separator or b"," in rest:  # RFC 5802 7: what followed it would not be covered by it
            raise AuthenticationFailed("malformed SCRAM message: expected the proof at the end")
        found = _parse_attributes(response or b"", "c")
        # The header comes once more, under the proof: an attacker could have changed the first (RFC 5802 6).
        if _decode_attribute(found, "c") != self._header or found.get("r") != self._nonce:
            raise AuthenticationFailed("expected the gs2 header and the nonce of this exchange, got others")
        proof = _decode_attribute(found, "p")
        verifier = self._verifier
        assert verifier is not None
        name = SCRAM_HASHES[self.name]
        message = b",".join((self._bare, self._challenge, without_proof))
        signature = hmac.digest(verifier.stored_key, message, name)
        key = _xor(proof, signature)
        # `zip` cuts a longer proof short, so the length counts as well. Whether the user is known is asked last: the
        # time of the answer does not depend on it.
        right = len(proof) == len(signature) and hmac.compare_digest(
            hashlib.new(name, key).digest(), verifier.stored_key
        )
        if not right or not self._known:
            raise AuthenticationFailed(_WRONG_LOGIN)
        self._step = ScramServer._take_acknowledgement
        return b"v=" + base64.b64encode(hmac.digest(verifier.server_key, message, name))

    def _take_acknowledgement(self, response: bytes | None) -> bytes | None:
        # The server's proof went out as a challenge, so a response has to come (5.3.2) before the outcome.
        if response:
            raise AuthenticationFailed(f"expected an empty response to the server's proof, got {len(response)} bytes")
        self.user = self._user
        return None
