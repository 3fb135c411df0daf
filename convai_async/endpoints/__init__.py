"""One function for each endpoint, which returns a `Request` and does no I/O.

Send the request with `ConvAIClient.send_raw` to get the status, the headers and the exact body of the response as well
as the typed result::

    response = await client.send_raw(endpoints.get_conversation("conv_1"))
    conversation = response.decode()

The arguments and their errors are those of the client's methods, such as `Conversations.get`, which describe them.
"""

from convai_async.endpoints._agents import *
from convai_async.endpoints._conversations import *
from convai_async.endpoints._custom import *
from convai_async.endpoints._filters import *
from convai_async.endpoints._messages import *
from convai_async.endpoints._page import *
from convai_async.endpoints._query import *
from convai_async.endpoints._request import *
from convai_async.endpoints._tags import *
