"""What an agent's conversations are about."""

from __future__ import annotations

from convai_async.models._base import Model
from convai_async.models._list_item import ListItem

__all__ = ["AgentTopic", "Distribution", "TopicCriterion", "TopicMetrics", "TopicSentiment"]


class Distribution(Model):
    """A number over many conversations.

    Schema: NumericDistributionAggregate.
    """

    count: int | None = None
    sum: float | None = None
    min: float | None = None
    max: float | None = None


class TopicSentiment(Model):
    """How users felt about a topic.

    Schema: TopicSentimentAggregate.
    """

    sentiment: Distribution | None = None
    frustration: Distribution | None = None
    positive_count: int | None = None
    neutral_count: int | None = None
    negative_count: int | None = None


class TopicCriterion(Model):
    """How conversations about a topic did by one criterion.

    Schema: TopicEvaluationCriteriaAggregate.
    """

    criteria_id: str | None = None
    success_count: int | None = None
    failure_count: int | None = None
    unknown_count: int | None = None


class TopicMetrics(Model):
    """What was measured of the conversations about a topic.

    Schema: TopicMetricsAggregate.

    Attributes:
        evaluation_criteria: Left out if asked for with ``include_evaluation_criteria=False``.
    """

    conversation_count: int | None = None
    sentiment: TopicSentiment | None = None
    evaluation_criteria: tuple[TopicCriterion, ...] = ()


class AgentTopic(ListItem, gc=True, dict=True):
    """Something that an agent's conversations are about.

    Schema: AgentTopicResponseModel.

    Attributes:
        x_2d: Where it lies on a map of the topics, across.
        y_2d: Where it lies on a map of the topics, upwards.
        success_rate: The success rate over all evaluation criteria, weighted by the conversations that were scored.
    """

    topic_id: str
    label: str | None = None
    description: str | None = None
    conversation_count: int | None = None
    parent_topic_id: str | None = None
    x_2d: float | None = None
    y_2d: float | None = None
    metrics: TopicMetrics | None = None
    success_rate: float | None = None
