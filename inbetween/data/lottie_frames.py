"""Renders one Lottie file; a script of its own, because some files crash the renderer.

`python lottie_frames.py FILE FOLDER SIDE` writes `FOLDER/0001.png`, `FOLDER/0002.png`, ... A file that holds
no animation ends in exit code `REFUSED`, with the reason on stderr. It imports nothing of the package: a
process begins in less than a tenth of a second.
"""

import gzip
import sys
from pathlib import Path

REFUSED = 3


def render(file: Path, folder: Path, side: int) -> str | None:
    """Write all frames of an animation, at its own rate, as PNG files with transparency.

    Args:
        file: Lottie as JSON, or that compressed with gzip (.tgs).
        folder: Where the frames go; it exists.
        side: Pixels of the frames' longer side.

    Returns:
        Why there is nothing to write, or None.
    """
    from PIL import Image
    from rlottie_python import LottieAnimation

    try:
        packed = file.suffix.lower() == ".tgs"
        text = gzip.decompress(file.read_bytes()).decode() if packed else ""
    except (OSError, EOFError, UnicodeDecodeError):
        return "damaged"
    # images beside the file are found from its path alone
    animation = LottieAnimation.from_data(text) if packed else LottieAnimation.from_file(str(file))
    if not animation.animation_p:
        return "not a Lottie animation"
    width, height = animation.lottie_animation_get_size()
    frames = animation.lottie_animation_get_totalframe()
    if not (width and height and frames):
        return "without frames"
    scale = side / max(width, height)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    for number in range(frames):
        pixels = animation.lottie_animation_render(number, width=size[0], height=size[1])
        # the renderer multiplies colours by opacity; "BGRa" divides by it again
        image = Image.frombytes("RGBA", size, pixels, "raw", "BGRa")
        image.save(folder / f"{number + 1:04d}.png", compress_level=1)
    return None


if __name__ == "__main__":
    reason = render(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    if reason:
        print(reason, file=sys.stderr)
        sys.exit(REFUSED)
