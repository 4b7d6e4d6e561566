"""How much one user of the page may ask for."""

MAX_FILE = 100 * 2**20  # bytes of an uploaded file
MAX_PIXELS = 9_000_000  # of a keyframe: 4096x2160 fits
MAX_KEYFRAMES = 100
MAX_BETWEEN = 60  # drawings between two keyframes
MAX_DRAWINGS = 600  # in a sequence, keyframes included
MAX_CANDIDATES = 3
MAX_HOLD = 4
MAX_FPS = 50.0  # what a GIF can show
MAX_DESKS = 20  # pages open at the same time
MAX_GUIDES = 40  # of a pair of keyframes
MAX_GUIDES_TEXT = 200_000  # characters of all guides of a project
