"""How annotations are enforced in tests: by beartype, with an int accepted where a float is written (PEP 484)."""

from beartype import BeartypeConf, beartype

enforced = beartype(conf=BeartypeConf(is_pep484_tower=True))
