"""cvc5 on standard input and output, as Cedar's analyzer wants it, on top of the Python package of cvc5.

Options of cvc5 are given as `--NAME=VALUE`. Commands are SMT-LIB 2; those that have an answer are answered as soon as
they are complete, where they begin a line.
"""

from __future__ import annotations

import re
import sys

from cvc5.cvc5_python_base import InputLanguage, InputParser, Solver, SymbolManager

_QUOTED = re.compile(r'"[^"]*"|\|[^|]*\||;[^\n]*\n')
_ANSWERED = re.compile(r"\s*\((?:check-|get-|echo|reset|exit|push|pop)")
_ALONE = re.compile(r"\s*\((reset|exit)\)\s*")


class Ended(Exception):
    """The analyzer wants no more answers, or what it said cannot be read."""


class Session:
    """One solver with its symbols. Commands that were not carried out yet are kept until an answer is wanted."""

    def __init__(self, options: list[tuple[str, str]]) -> None:
        self._options = options
        self._pending: list[str] = []
        self._quoted = ""
        self._depth = 0
        self._reset()

    def _reset(self) -> None:
        self._solver = Solver()
        for name, value in self._options:
            self._solver.setOption(name, value)
        self._symbols = SymbolManager(self._solver)
        self._parser = InputParser(self._solver, self._symbols)

    def read(self, line: str) -> None:
        """Take one line, and carry out what is there if an answer is wanted. Raises Ended."""
        if self._depth == 0 and not self._quoted and _ALONE.fullmatch(line):
            self.carry_out()
            if "exit" in line:
                raise Ended
            self._reset()
            return
        self._pending.append(line)
        self._quoted += line
        bare = _QUOTED.sub(" ", self._quoted)
        # Within a text or a quoted symbol that goes on in the next line, parentheses say nothing yet.
        if '"' in bare or "|" in bare:
            return
        self._quoted = ""
        self._depth += bare.count("(") - bare.count(")")
        if self._depth == 0 and _ANSWERED.match(line):
            self.carry_out()

    def carry_out(self) -> None:
        """Carry out what was read, and print the answers. Raises Ended."""
        text = "".join(self._pending)
        self._pending.clear()
        if not text.strip():
            return
        try:
            self._parser.setStringInput(InputLanguage.SMT_LIB_2_6, text, "stdin")
            command = self._parser.nextCommand()
            while not command.isNull():
                self._answer(command)
                command = self._parser.nextCommand()
        except RuntimeError as fault:
            _print_error(f"Parse Error: {fault}")
            raise Ended from None

    def _answer(self, command: object) -> None:
        try:
            answer = command.invoke(self._solver, self._symbols)  # type: ignore[attr-defined]
        except RuntimeError as fault:
            _print_error(str(fault))
            return
        _print(answer.decode() if isinstance(answer, bytes) else answer)


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _print_error(fault: str) -> None:
    text = fault.replace("\n", " ").replace('"', "'")
    _print(f'(error "{text}")\n')


def main() -> None:
    """Answer until the input ends."""
    named = [argument.removeprefix("--").split("=", 1) for argument in sys.argv[1:]]
    session = Session([(name, value) for name, value in named])
    try:
        for line in sys.stdin:
            session.read(line)
        session.carry_out()
    except Ended:
        pass


if __name__ == "__main__":
    main()
