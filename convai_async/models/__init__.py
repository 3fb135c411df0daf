"""The service's documents as typed msgspec Structs, one for each schema of its OpenAPI specification.

Models accept changes of the service: unknown fields are ignored, unknown enum values are kept as strings, an unknown
variant of a union becomes an ``Unknown…`` model with the raw JSON, and missing or null fields get their default.
"""

from convai_async.models._base import *
from convai_async.models._decoding import *
from convai_async.models._list_item import *
from convai_async.models.access import *
from convai_async.models.analysis import *
from convai_async.models.charging import *
from convai_async.models.conversation import *
from convai_async.models.enums import *
from convai_async.models.features import *
from convai_async.models.files import *
from convai_async.models.initiation import *
from convai_async.models.messages import *
from convai_async.models.metadata import *
from convai_async.models.phone_calls import *
from convai_async.models.sip import *
from convai_async.models.summary import *
from convai_async.models.system_results import *
from convai_async.models.tags import *
from convai_async.models.tool_calls import *
from convai_async.models.tool_results import *
from convai_async.models.topics import *
from convai_async.models.transcript import *
from convai_async.models.transfer_results import *
