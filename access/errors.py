"""The family of this package's refusals: each has a stable code and a sentence for the person who asked."""


class AccessError(Exception):
    """What was asked can't be done."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
