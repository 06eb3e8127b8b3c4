"""Write the golden DOT texts, and a PNG of each to look at into a folder that is given."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

if __name__ == "__main__":
    from test_draw_text import TARGETS

    from tinygrad_rnn.draw import draw

    for name, (output, options) in TARGETS.items():
        drawing = draw(output(), **options)
        (HERE / f"{name}.gv").write_text(drawing.source, encoding="utf-8")
        if len(sys.argv) > 1:
            drawing.save(Path(sys.argv[1]) / f"{name}.png")
