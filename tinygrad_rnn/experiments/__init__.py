"""The experiments of the study notes: `tinygrad-rnn train TASK` runs one."""

from ..task import Task
from .activity import Activity
from .bot import Bot
from .caption import Caption
from .digits import Digits
from .entities import Entities
from .language import Characters, Words
from .memory import Adding, Copy, Order
from .moscow import Moscow
from .overfitting import Overfitting
from .reviews import Sentiment, Spam
from .series import Sound, Sunspots
from .tagging import Dna, Tagging
from .translate import Dates, Numbers, NumbersPlain

_ALL: tuple[type[Task], ...] = (
    Sentiment,
    Spam,
    Digits,
    Tagging,
    Entities,
    Dna,
    Activity,
    Dates,
    Numbers,
    NumbersPlain,
    Bot,
    Caption,
    Characters,
    Words,
    Sunspots,
    Sound,
    Adding,
    Copy,
    Order,
    Moscow,
    Overfitting,
)
TASKS: dict[str, type[Task]] = {task.name: task for task in _ALL}
