"""Plain words by number: text of a known length that is the same on every machine.

Each word has four letters and is common enough to be one token, with the space before it, in the
vocabularies of today's models. So a text of n words has about n tokens, and two texts of n words
have equally many characters.
"""

import hashlib
from typing import Final

_TEXT: Final = """
able also area army away baby back ball band bank base bath bear beat been bell belt best bill
bird blow blue boat body bold bone book born both bowl burn bush busy cake call calm came camp
card care cars case cash cast cell chat city club coal coat code cold come cook cool copy core
cost crew dark data date dawn days deal dear deep desk diet dish does done door down draw drop
dust duty each earn ease east easy edge else even ever exit face fact fair fall farm fast fear
feed feel feet fell felt file fill film find fine fire firm fish five flat flow folk food foot
form four free from fuel full fund gain game gate gave gear gift girl give glad goal goes gold
golf gone good gray grew grey grow hair half hall hand hang hard have head hear heat held help
here hero high hill hold hole home hope host hour huge idea inch into iron item join jump just
keep kept kind king knee knew know lack lake land lane last late lead leaf left less life lift
like line link list live load lock long look lose loss lost love luck made mail main make many
mark mass meal mean meat meet menu mile milk mind mine miss mode mood moon more most move much
must name near neck need news next nice nine none nose note once only onto open over pace pack
page paid pair palm park part pass past path
"""
WORDS: Final = tuple(_TEXT.split())
"""256 of them: a byte chooses one."""


def words(seed: str, count: int) -> str:
    """So many words, chosen by a seed; another seed gives others.

    SHAKE-128 chooses: the same seed gives the same words with every version of every library.
    """
    chosen = hashlib.shake_128(seed.encode("utf-8")).digest(count)
    return " ".join(WORDS[byte] for byte in chosen)
