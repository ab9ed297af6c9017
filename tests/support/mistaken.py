"""fcnn with mistakes: what it says of itself when its source is another.

`Library` asks a process of its own, in which everything but fcnn is in memory already. For each
question, a child of that process imports fcnn from edited source, and answers.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib.machinery import PathFinder, SourceFileLoader
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import attrs
import numpy as np
import pytest


class Library:
    """Answers questions about fcnn with edits: triples of a file, an old text that occurs once in
    it, and what stands there instead; in place of an empty text, at the end of the file.
    """

    def __init__(self):
        self.package = Path(find_spec("fcnn").origin).parent
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(self.package.parent), "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait() == 0

    def prove(self, edits, layers, most=None, values=()):
        """The verdicts on the proofs of some layers, of at most so many cases each; all of the
        shipped values, of these operations too.
        """
        question = {"layers": sorted(layers), "values": sorted(values), "most": most}
        return self._ask(edits, question)

    def run(self, edits, *arguments):
        """The exit code of the command line, what it prints, and its errors."""
        found = self._ask(edits, {"arguments": arguments})
        return found["code"], found["stdout"], found["stderr"]

    def _ask(self, edits, question):
        sources = {}
        for file, old, new in edits:
            path = str(self.package / file)
            source = sources.get(path) or Path(path).read_text()
            times = source.count(old) if old else 1
            assert times == 1, f"{file} has {times} times: {old}"
            sources[path] = source.replace(old, new) if old else source + new
        print(json.dumps({"sources": sources, **question}), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="session")
def library():
    """The library, to be asked."""
    asked = Library()
    yield asked
    asked.close()


class Edited:
    """Imports modules from the sources that are given for their files."""

    def __init__(self, sources):
        self.sources = sources

    def find_spec(self, name, path=None, target=None):
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.origin in self.sources:
            spec.loader = EditedLoader(name, spec.origin)
            spec.loader.source = self.sources[spec.origin]
        return spec


class EditedLoader(SourceFileLoader):
    def get_code(self, fullname):
        return compile(self.source, self.path, "exec")


asked = []  # proofs, each with how many of its cases are run: what is in memory before a fork


def verdicts(layers, values, most):
    """Those on what is asked for, by a process for each core."""
    from fcnn.proof import catalogue

    for proof in catalogue.proofs():
        by_values = proof.against == "values of PyTorch"
        if proof.layer in layers + values * by_values:
            asked.append((proof, None if by_values else most))
    cores = min(os.cpu_count(), len(asked))
    with ProcessPoolExecutor(cores, get_context("fork")) as processes:
        return list(processes.map(verdict, range(len(asked))))


def verdict(index):
    from fcnn.proof import proofs

    proof, most = asked[index]
    with np.errstate(all="ignore"):
        return attrs.asdict(proofs.prove(proof, most=most))


def serve():
    from typer.testing import CliRunner

    import fcnn.cli
    import fcnn.proof.catalogue

    for name in [name for name in sys.modules if name.split(".")[0] == "fcnn"]:
        del sys.modules[name]
    del fcnn
    for line in sys.stdin:
        question = json.loads(line)
        sources = question.pop("sources")
        child = os.fork()
        if child:
            assert os.waitpid(child, 0)[1] == 0
            continue
        sys.meta_path.insert(0, Edited(sources))
        if "arguments" in question:
            from fcnn.cli import app

            result = CliRunner().invoke(app, question["arguments"])
            answer = {"code": result.exit_code, "stdout": result.stdout, "stderr": result.stderr}
        else:
            answer = verdicts(**question)
        print(json.dumps(answer), flush=True)
        os._exit(0)


if __name__ == "__main__":
    serve()
