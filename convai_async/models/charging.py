"""What a conversation cost."""

from __future__ import annotations

from msgspec import field

from convai_async.models._base import Model


class TokenUsage(Model):
    """Tokens of one kind.

    Schema: LLMTokensCategoryUsage.

    Attributes:
        price: US dollars.
    """

    tokens: int = 0
    price: float | None = None


class ModelTokenUsage(Model):
    """The tokens that went into and came out of a language model.

    Schema: LLMInputOutputTokensUsage.
    """

    input: TokenUsage = field(default_factory=TokenUsage)
    input_cache_read: TokenUsage = field(default_factory=TokenUsage)
    input_cache_write: TokenUsage = field(default_factory=TokenUsage)
    output_total: TokenUsage = field(default_factory=TokenUsage)


class LLMUsage(Model):
    """The use of language models, by the model's name.

    Schema: LLMUsage-Output.
    """

    model_usage: dict[str, ModelTokenUsage] = field(default_factory=dict)


class LLMUsageByCategory(Model):
    """The use of language models, by what became of their words.

    Schema: LLMCategoryUsage.
    """

    irreversible_generation: LLMUsage = field(default_factory=LLMUsage)
    initiated_generation: LLMUsage = field(default_factory=LLMUsage)


class ConversationCharging(Model):
    """What was charged for a conversation.

    Schema: ConversationChargingCommonModel.

    Attributes:
        llm_price: US dollars.
        llm_charge: Credits.
        call_charge: Credits.
    """

    dev_discount: bool = False
    is_burst: bool = False
    tier: str | None = None
    llm_usage: LLMUsageByCategory = field(default_factory=LLMUsageByCategory)
    llm_price: float | None = None
    llm_charge: int | None = None
    call_charge: int | None = None
    free_minutes_consumed: float | None = None
    free_llm_dollars_consumed: float | None = None
