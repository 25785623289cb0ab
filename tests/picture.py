"""picture.py - the front of a terminal's output as an SVG picture: picture.py < text > picture.svg"""
import html
import sys

WIDTH, HEIGHT, LEFT, TOP = 8.4, 19, 16, 30  # of a character, and of the margins, in pixels

lines = sys.stdin.read().rstrip("\n").split("\n")
wide, high = 2 * LEFT + WIDTH * max(map(len, lines)), TOP + HEIGHT * len(lines)
print(
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high}" width="{wide:.0f}" height="{high}"'
    ' font-family="ui-monospace, \'DejaVu Sans Mono\', Menlo, Consolas, monospace" font-size="14" fill="#d8dee9">'
)
print('<rect width="100%" height="100%" rx="8" fill="#1f2430"/>')
for number, line in enumerate(lines):
    if line:
        colour = ' fill="#a3d977"' if line.startswith("$") else ""
        length = f'textLength="{WIDTH * len(line):.1f}" lengthAdjust="spacingAndGlyphs"'
        y = TOP + HEIGHT * number
        print(f'<text x="{LEFT}" y="{y}" xml:space="preserve" {length}{colour}>{html.escape(line)}</text>')
print("</svg>")
