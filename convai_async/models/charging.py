"""What a conversation cost."""

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
    """Tokens of one kind.

    Schema: LLMTokensCategoryUsage.

    Attributes:
        tokens: None when the service does not say.
        price: US dollars.
    """

    tokens: int | None = None
    price: float | None = None


class ModelTokenUsage(Model):
    """The tokens that went into and came out of a language model.

    Schema: LLMInputOutputTokensUsage.

    Attributes:
        input: Tokens of the prompt that did not come from the prompt cache.
        input_cache_read: Tokens of the prompt that came from the prompt cache.
        input_cache_write: Tokens of the prompt that went into the prompt cache.
        output_total: Tokens that were generated.
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
    """The use of language models: all of it, and the part that was heard.

    Schema: LLMCategoryUsage.

    Attributes:
        irreversible_generation: The part of ``initiated_generation`` whose audio had begun to play. What was cut off
            early can be missing. It is for information: charges do not depend on it.
        initiated_generation: All use, also for turns that were interrupted, or dropped before they were heard.
            Charges depend on it, and its prices add up to ``llm_price``.
    """

    irreversible_generation: LLMUsage = field(default_factory=LLMUsage)
    initiated_generation: LLMUsage = field(default_factory=LLMUsage)


class PlatformCategoryUsage(Model):
    """What one kind of use of the platform cost.

    Schema: PlatformCategoryUsage.
    """

    credits: int | None = None
    price: float | None = None
    quantity: float | None = None


class PlatformUsage(Model):
    """What the use of the platform cost, by kind.

    Schema: PlatformUsage.
    """

    category_usage: dict[str, PlatformCategoryUsage] = field(default_factory=dict)


class VoiceUsage(Model):
    """How much one voice spoke.

    Schema: ConversationVoiceUsageModel.
    """

    voice_id: str | None = None
    audio_output_seconds: float | None = None


class TTSUsage(Model):
    """How much was spoken.

    Schema: ConversationTtsUsageModel.
    """

    primary_tts_model: str | None = None
    total_audio_output_seconds: float | None = None
    total_characters: int | None = None
    per_voice_usage: tuple[VoiceUsage, ...] = ()


class ASRUsage(Model):
    """How much was listened to.

    Schema: ConversationAsrUsageModel.
    """

    asr_model: str | None = None
    total_transcription_calls: int | None = None
    total_audio_input_seconds: float | None = None


class AnalysisTotal(Model):
    """What all runs of the analysis cost.

    Schema: AnalysisRunningTotal.
    """

    price: float | None = None
    charge: int | None = None
    runs: int | None = None
    price_per_feature: dict[str, float] = field(default_factory=dict)
    charge_per_feature: dict[str, int] = field(default_factory=dict)


class AnalysisRun(Model):
    """What one run of the analysis cost.

    Schema: AnalysisRunSnapshot.
    """

    price: float | None = None
    charge: int | None = None
    price_per_feature: dict[str, float] = field(default_factory=dict)
    charge_per_feature: dict[str, int] = field(default_factory=dict)


class AnalysisCharging(Model):
    """What the analysis cost.

    Schema: AnalysisCharging.
    """

    total: AnalysisTotal | None = None
    last_run: AnalysisRun | None = None


class ConversationCharging(Model):
    """What was charged for a conversation.

    Schema: ConversationChargingCommonModel.

    Attributes:
        llm_price: US dollars.
        llm_charge: Credits.
        call_charge: Credits.
        voice_surcharge_charge: Credits for voices of the voice library, which ``cost`` does not include.
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
