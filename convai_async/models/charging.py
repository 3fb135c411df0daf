"""Costs of conversations."""

from __future__ import annotations

from msgspec import field

from convai_async.models._base import Model

__all__ = [
    "ASRUsage",
    "AnalysisCharging",
    "AnalysisRun",
    "AnalysisTotal",
    "ConversationCharging",
    "LLMUsage",
    "LLMUsageByCategory",
    "ModelTokenUsage",
    "PlatformCategoryUsage",
    "PlatformUsage",
    "TTSUsage",
    "TokenUsage",
    "VoiceUsage",
]


class TokenUsage(Model):
    """The number and the price of tokens.

    Schema: LLMTokensCategoryUsage.

    Attributes:
        tokens: The number of tokens, or None if unknown.
        price: The price in US dollars.
    """

    tokens: int | None = None
    price: float | None = None


class ModelTokenUsage(Model):
    """The input and output tokens of a language model.

    Schema: LLMInputOutputTokensUsage.

    Attributes:
        input: Prompt tokens that were not read from the prompt cache.
        input_cache_read: Prompt tokens that were read from the prompt cache.
        input_cache_write: Prompt tokens that were written to the prompt cache.
        output_total: Generated tokens.
    """

    input: TokenUsage = field(default_factory=TokenUsage)
    input_cache_read: TokenUsage = field(default_factory=TokenUsage)
    input_cache_write: TokenUsage = field(default_factory=TokenUsage)
    output_total: TokenUsage = field(default_factory=TokenUsage)


class LLMUsage(Model):
    """The usage of language models.

    Schema: LLMUsage-Output.

    Attributes:
        model_usage: The usage by the name of the model.
    """

    model_usage: dict[str, ModelTokenUsage] = field(default_factory=dict)


class LLMUsageByCategory(Model):
    """The usage of language models: all of it, and the part that was played to the user.

    Schema: LLMCategoryUsage.

    Attributes:
        irreversible_generation: The part of ``initiated_generation`` whose audio started to play. Turns that were
            interrupted early can be missing. For information only: charges do not depend on it.
        initiated_generation: All usage, including turns that were interrupted or never played. Charges depend on it:
            its prices add up to ``llm_price``.
    """

    irreversible_generation: LLMUsage = field(default_factory=LLMUsage)
    initiated_generation: LLMUsage = field(default_factory=LLMUsage)


class PlatformCategoryUsage(Model):
    """The costs of one category of platform usage.

    Schema: PlatformCategoryUsage.

    Attributes:
        credits: The charge in credits.
        quantity: The quantity, in the unit of the category.
    """

    credits: int | None = None
    price: float | None = None
    quantity: float | None = None


class PlatformUsage(Model):
    """The costs of platform usage.

    Schema: PlatformUsage.

    Attributes:
        category_usage: The costs by category.
    """

    category_usage: dict[str, PlatformCategoryUsage] = field(default_factory=dict)


class VoiceUsage(Model):
    """The usage of one voice.

    Schema: ConversationVoiceUsageModel.
    """

    voice_id: str | None = None
    audio_output_seconds: float | None = None


class TTSUsage(Model):
    """The usage of text to speech.

    Schema: ConversationTtsUsageModel.
    """

    primary_tts_model: str | None = None
    total_audio_output_seconds: float | None = None
    total_characters: int | None = None
    per_voice_usage: tuple[VoiceUsage, ...] = ()


class ASRUsage(Model):
    """The usage of speech recognition.

    Schema: ConversationAsrUsageModel.
    """

    asr_model: str | None = None
    total_transcription_calls: int | None = None
    total_audio_input_seconds: float | None = None


class AnalysisTotal(Model):
    """The costs of all runs of the analysis.

    Schema: AnalysisRunningTotal.
    """

    price: float | None = None
    charge: int | None = None
    runs: int | None = None
    price_per_feature: dict[str, float] = field(default_factory=dict)
    charge_per_feature: dict[str, int] = field(default_factory=dict)


class AnalysisRun(Model):
    """The costs of one run of the analysis.

    Schema: AnalysisRunSnapshot.
    """

    price: float | None = None
    charge: int | None = None
    price_per_feature: dict[str, float] = field(default_factory=dict)
    charge_per_feature: dict[str, int] = field(default_factory=dict)


class AnalysisCharging(Model):
    """The costs of the analysis.

    Schema: AnalysisCharging.
    """

    total: AnalysisTotal | None = None
    last_run: AnalysisRun | None = None


class ConversationCharging(Model):
    """The charges for a conversation.

    Schema: ConversationChargingCommonModel.

    Attributes:
        llm_price: The price of the language models in US dollars.
        llm_charge: The charge for the language models in credits.
        call_charge: The charge for the call in credits.
        voice_surcharge_charge: The charge for voices of the voice library in credits, which is not part of ``cost``.
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
    platform_charge: int | None = None
    platform_usage: PlatformUsage | None = None
    platform_price: float | None = None
    tts_usage: TTSUsage | None = None
    asr_usage: ASRUsage | None = None
    analysis: AnalysisCharging | None = None
    voice_surcharge_charge: int | None = None
