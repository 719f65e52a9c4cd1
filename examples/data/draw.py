#!/usr/bin/env python3
"""Draws page.png, the picture of the demo, and page.txt, what stands there in the order of reading: five lines of text of three sizes, one on its head, one aslant, one light on dark. draw.py [FOLDER]

Needs Pillow >= 10.1, which brings the typeface (Aileron Regular, CC0).
"""
import pathlib
import sys

from PIL import Image, ImageDraw, ImageFont

LINES = ["The Planish Post", "Many light blows make metal smooth.", "This line stands on its head.", "No. 7, 30 June 2026, price 5.40", "And this one runs uphill"]
PAPER, INK, BAR = (243, 238, 226), (38, 40, 52), (44, 84, 110)


def strip(text, size, ink, paper):
    """The text in a picture of its own, with a little paper around it."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    image = Image.new("RGB", (right - left + 16, bottom - top + 12), paper)
    ImageDraw.Draw(image).text((8 - left, 6 - top), text, font=font, fill=ink)
    return image


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    page = Image.new("RGB", (576, 384), PAPER)
    ImageDraw.Draw(page).rectangle((0, 240, 576, 300), fill=BAR)
    page.paste(strip(LINES[0], 54, INK, PAPER), (60, 18))
    page.paste(strip(LINES[1], 24, INK, PAPER), (60, 104))
    page.paste(strip(LINES[2], 26, INK, PAPER).rotate(180), (100, 158))
    page.paste(strip(LINES[3], 28, PAPER, BAR), (60, 252))
    aslant = strip(LINES[4], 25, INK, PAPER).rotate(4, Image.Resampling.BICUBIC, expand=True, fillcolor=PAPER)
    page.paste(aslant, (150, 316))
    page.quantize(16).save(folder / "page.png", optimize=True)
    (folder / "page.txt").write_text("".join(f"{line}\n" for line in LINES))


if __name__ == "__main__":
    main()
