"""Lottie files small enough to write down."""


def still(value: object) -> dict:
    return {"a": 0, "k": value}


def animation(color: tuple[float, ...] = (1, 0, 0), opacity: int = 100) -> dict:
    """9 frames of 48x64: a square at rows 16 to 32, columns 8 + 4 k to 24 + 4 k in frame k; no background."""
    way = [
        {"t": 0, "s": [16, 24, 0], "i": {"x": 1, "y": 1}, "o": {"x": 0, "y": 0}},
        {"t": 8, "s": [48, 24, 0]},
    ]
    move = {"o": still(opacity), "r": still(0), "p": {"a": 1, "k": way}, "a": still([0, 0, 0])}
    box = {"ty": "rc", "d": 1, "s": still([16, 16]), "p": still([0, 0]), "r": still(0)}
    fill = {"ty": "fl", "c": still([*color, 1]), "o": still(100), "r": 1}
    place = {"ty": "tr", "p": still([0, 0]), "a": still([0, 0]), "s": still([100, 100])}
    place |= {"r": still(0), "o": still(100)}
    layer = {"ty": 4, "ind": 1, "ip": 0, "op": 9, "st": 0, "sr": 1, "bm": 0}
    layer |= {"ks": {**move, "s": still([100, 100, 100])}, "shapes": [{"ty": "gr", "it": [box, fill, place]}]}
    return {"v": "5.5.0", "fr": 24, "ip": 0, "op": 8, "w": 64, "h": 48, "layers": [layer]}
