"""Print the largest modules, classes and functions: for the eye, not as a limit."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHOWN = 10


def main() -> None:
    """Three tables, the largest first."""
    modules: list[tuple[int, str]] = []
    classes: list[tuple[int, str]] = []
    functions: list[tuple[int, str]] = []
    for path in sorted((ROOT / "mailnode").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        where = str(path.relative_to(ROOT))
        modules.append((text.count("\n"), where))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                kind = classes if isinstance(node, ast.ClassDef) else functions
                kind.append(
                    ((node.end_lineno or node.lineno) - node.lineno + 1, f"{where}:{node.lineno} {node.name}")
                )
    for title, rows, wanted in (
        ("modules", modules, 400),
        ("classes", classes, 300),
        ("functions", functions, 50),
    ):
        print(f"largest {title} (wanted: at most {wanted} lines), median {sorted(rows)[len(rows) // 2][0]}")
        for lines, where in sorted(rows, reverse=True)[:SHOWN]:
            print(f"  {lines:5d}  {where}")


if __name__ == "__main__":
    main()
