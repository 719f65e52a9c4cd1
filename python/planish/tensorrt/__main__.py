"""Lets `import tensorrt` find planish.tensorrt, and `import pycuda.driver` planish.pycuda: for programs that are not to be changed.

    python -m planish.tensorrt --install-alias          # in this Python's site-packages
    python -m planish.tensorrt --install-alias --generation 10   # for programs of TensorRT 10
    python -m planish.tensorrt --install-pycuda-alias   # on machines without a GPU
    python -m planish.tensorrt --remove-alias           # both
"""
from __future__ import annotations

import argparse
import importlib.util
import pathlib
import shutil
import sys
import sysconfig
from typing import Dict, List, Optional

from .base import VERSIONS

MARK = "# Made by python -m planish.tensorrt; --remove-alias removes it."
FILES: Dict[str, Dict[str, str]] = {
    "tensorrt": {"__init__.py": "import sys\n\nimport planish.tensorrt\n\n{generation}sys.modules[__name__] = planish.tensorrt\n"},
    "pycuda": {"__init__.py": "", "driver.py": "import sys\n\nimport planish.pycuda.driver\n\nsys.modules[__name__] = planish.pycuda.driver\n", "autoinit.py": "from planish.pycuda.autoinit import *\n"},
}


def ours(folder: pathlib.Path) -> bool:
    """Is it an alias?"""
    first = folder / "__init__.py"
    return first.is_file() and first.read_text().startswith(MARK)


def install(name: str, into: pathlib.Path, generation: int = 0) -> str:
    """Makes the alias; an error where another package of that name is there. generation: of programs that choose none; 0: as without the alias."""
    folder, found = into / name, importlib.util.find_spec(name)
    if (folder.exists() and not ours(folder)) or (found is not None and found.origin and not ours(pathlib.Path(found.origin).parent)):
        raise SystemExit(f"{name} is installed already ({found.origin if found else folder}): it is left alone")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in FILES[name].items():
            (folder / file).write_text(f"{MARK}\n" + text.format(generation=f"planish.tensorrt.base.alias_generation({generation})\n" if generation else ""))
    except OSError as raised:
        raise SystemExit(f"{folder} cannot be written: {raised.strerror}") from None
    return f"import {name} finds planish's{f', of generation {generation}' if generation else ''}: {folder}"


def remove(into: pathlib.Path) -> List[str]:
    """Removes the aliases, and nothing else."""
    gone = [into / name for name in FILES if ours(into / name)]
    for folder in gone:
        shutil.rmtree(folder)
    return [f"removed {folder}" for folder in gone] or ["no alias is installed"]


def main(arguments: Optional[List[str]] = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m planish.tensorrt", description="Lets programs written for TensorRT run unchanged.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--install-alias", action="store_true", help="import tensorrt finds planish.tensorrt; refused where a real one is installed")
    what.add_argument("--install-pycuda-alias", action="store_true", help="import pycuda.driver and pycuda.autoinit find planish.pycuda, on host memory")
    what.add_argument("--remove-alias", action="store_true", help="removes both")
    parser.add_argument("--generation", type=int, choices=sorted(VERSIONS), help="with --install-alias: the generation of programs that choose none (8)")
    parser.add_argument("--into", type=pathlib.Path, default=pathlib.Path(sysconfig.get_paths()["purelib"]), help="a folder of Python's path (site-packages)")
    told = parser.parse_args(arguments)
    if told.generation and not told.install_alias:
        parser.error("--generation goes with --install-alias")
    if told.remove_alias:
        print(*remove(told.into), sep="\n")
    else:
        print(install("pycuda" if told.install_pycuda_alias else "tensorrt", told.into, told.generation or 0))
    return 0


if __name__ == "__main__":
    sys.exit(main())
