"""The other tables that are filled from a document; `_facts` reads their values in the order of their columns."""

from __future__ import annotations

from convai_async.archive._schema._table import CONVERSATION_ID, Column, Table

_TURN_POSITION = Column("turn_position", "INTEGER NOT NULL", "The position of the turn.", "int64")

EVALUATION_RESULTS = Table(
    "evaluation_results",
    "One row for each result of an evaluation criterion.",
    (
        CONVERSATION_ID,
        Column("criteria_id", "TEXT", "The criterion.", "string"),
        Column("result", "TEXT", "'success', 'failure' or 'unknown'.", "string"),
        Column("rationale", "TEXT", "The reason for the result.", "string"),
        Column("score", "INTEGER", "The score, where the criterion has one.", "int64"),
        Column("max_score", "INTEGER", "The maximum score.", "int64"),
        Column(
            "agent_id",
            "TEXT",
            "The agent whose part was evaluated; null for the whole conversation.",
            "string",
        ),
    ),
    statements=("CREATE INDEX evaluation_results_by_conversation ON evaluation_results (conversation_id);",),
)

DATA_COLLECTION_RESULTS = Table(
    "data_collection_results",
    "One row for each value that was collected from a conversation.",
    (
        CONVERSATION_ID,
        Column("data_collection_id", "TEXT", "The name of the value.", "string"),
        Column("value", "TEXT", "The value: text, or the JSON of another type; null if there is none.", "string"),
        Column("value_type", "TEXT NOT NULL", "The value's JSON type, such as 'string' or 'integer'.", "string"),
        Column("rationale", "TEXT", "The reason for the value.", "string"),
        Column(
            "agent_id",
            "TEXT",
            "The agent from whose part it was collected; null for the whole conversation.",
            "string",
        ),
    ),
    statements=("CREATE INDEX data_collection_results_by_conversation ON data_collection_results (conversation_id);",),
)

LLM_USAGE = Table(
    "llm_usage",
    "One row for each language model and kind of token that a conversation was charged for.",
    (
        CONVERSATION_ID,
        Column("model", "TEXT NOT NULL", "The language model.", "string"),
        Column(
            "category",
            "TEXT NOT NULL",
            "'input', 'input_cache_read', 'input_cache_write' or 'output_total'.",
            "string",
        ),
        Column("tokens", "INTEGER", "The number of tokens.", "int64"),
        Column("price", "REAL", "Their price in US dollars.", "float64"),
    ),
    constraints=("PRIMARY KEY (conversation_id, model, category)",),
    options="WITHOUT ROWID",
)

TAGS = Table(
    "tags",
    "One row for each tag of a conversation.",
    (CONVERSATION_ID, Column("tag_id", "TEXT NOT NULL", "The tag.", "string")),
    constraints=("PRIMARY KEY (conversation_id, tag_id)",),
    options="WITHOUT ROWID",
)

RAG_RETRIEVALS = Table(
    "rag_retrievals",
    "One row for each turn that the knowledge base was searched for.",
    (
        CONVERSATION_ID,
        _TURN_POSITION,
        Column("query", "TEXT", "The text that was searched for.", "string"),
        Column("embedding_model", "TEXT", "The embedding model.", "string"),
        Column("latency_secs", "REAL", "How long the search took.", "float64"),
        Column(
            "chunks",
            "TEXT NOT NULL",
            "The chunks that it found, JSON: document_id, chunk_id, vector_distance.",
            "string",
        ),
    ),
    constraints=("PRIMARY KEY (conversation_id, turn_position)",),
    options="WITHOUT ROWID",
)

FACT_TABLES = (
    EVALUATION_RESULTS,
    DATA_COLLECTION_RESULTS,
    LLM_USAGE,
    TAGS,
    RAG_RETRIEVALS,
)
"""The tables, in the order in which `read_facts` returns their rows."""
