"""Statements read token by token, where Redshift's grammar and PostgreSQL's differ most."""

from __future__ import annotations

from sqlglot.tokenizer_core import Token, TokenType

from redshift_sandbox.errors import RedshiftError, syntax_error
from redshift_sandbox.queries import identifier


class Reader:
    """The tokens of one statement, read from the left; RedshiftError 42601 for one that is out of place."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._start = tokens[0].start
        self._text = text

    @property
    def done(self) -> bool:
        return self._next >= len(self._tokens)

    def look(self, ahead: int = 0) -> str:
        """A token's text in lower case; of a quoted name or a string, with its quotes; empty at the end."""
        place = self._next + ahead
        if place >= len(self._tokens):
            return ""
        token = self._tokens[place]
        if token.token_type in (TokenType.STRING, TokenType.IDENTIFIER):
            return f"'{token.text}'"
        return token.text.lower()

    def word(self) -> str:
        """The next token, whatever it is, as `look` gives it."""
        if self.done:
            raise self.error()
        self._next += 1
        return self.look(-1)

    def accept(self, *words: str) -> bool:
        """Goes past these words if they come next."""
        spelled = [part for word in words for part in word.split()]
        at, read = self._next, list[str]()
        # The tokenizer joins some words into one token, such as PRIMARY KEY.
        while at < len(self._tokens) and len(read) < len(spelled):
            if self._tokens[at].token_type in (TokenType.STRING, TokenType.IDENTIFIER):
                return False
            read += self._tokens[at].text.lower().split()
            at += 1
        if read != spelled:
            return False
        self._next = at
        return True

    def expect(self, *words: str) -> None:
        if not self.accept(*words):
            raise self.error()

    def end(self) -> None:
        if not self.done:
            raise self.error()

    def error(self) -> RedshiftError:
        return syntax_error("" if self.done else self._tokens[self._next].text)

    def name(self) -> str:
        """One identifier, as PostgreSQL takes it."""
        if self.done:
            raise self.error()
        token = self._tokens[self._next]
        quoted = token.token_type is TokenType.IDENTIFIER
        if not quoted and not token.text.lstrip("#").replace("_", "a").replace("$", "a").isalnum():
            raise self.error()
        if token.token_type in (TokenType.STRING, TokenType.NUMBER):
            raise self.error()
        self._next += 1
        return identifier(token.text, quoted)

    def qualified_name(self) -> str:
        parts = [self.name()]
        while self.accept("."):
            parts.append(self.name())
        return ".".join(parts)

    def names(self) -> list[str]:
        """Identifiers in parentheses, separated by commas."""
        self.expect("(")
        names = [self.name()]
        while self.accept(","):
            names.append(self.name())
        self.expect(")")
        return names

    def string(self) -> str:
        if self.done or self._tokens[self._next].token_type is not TokenType.STRING:
            raise self.error()
        self._next += 1
        return self._tokens[self._next - 1].text

    def number(self) -> int:
        sign = -1 if self.accept("-") else 1
        if self.done or not self._tokens[self._next].text.isdigit():
            raise self.error()
        self._next += 1
        return sign * int(self._tokens[self._next - 1].text)

    def rest(self) -> str:
        """The text of what is left."""
        if self.done:
            raise self.error()
        start = self._tokens[self._next].start - self._start
        self._next = len(self._tokens)
        return self._text[start:]

    def until(self, *stops: str) -> str:
        """The text up to one of these words outside of parentheses."""
        first, depth = self._next, 0
        while not self.done:
            word = self.look()
            if depth == 0 and word in stops:
                break
            depth += {"(": 1, ")": -1}.get(word, 0)
            if depth < 0:
                break
            self._next += 1
        if self._next == first:
            raise self.error()
        last = self._tokens[self._next - 1]
        return self._text[self._tokens[first].start - self._start : last.end + 1 - self._start]
