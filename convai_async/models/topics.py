"""Topics of conversations."""

from __future__ import annotations

from convai_async.models._base import Model
from convai_async.models._list_item import ListItem

__all__ = ["AgentTopic", "Distribution", "TopicCriterion", "TopicMetrics", "TopicSentiment"]


class Distribution(Model):
    """The distribution of a number over several conversations.

    Schema: NumericDistributionAggregate.
    """

    count: int | None = None
    sum: float | None = None
    min: float | None = None
    max: float | None = None


class TopicSentiment(Model):
    """The sentiment of users about a topic.

    Schema: TopicSentimentAggregate.
    """

    sentiment: Distribution | None = None
    frustration: Distribution | None = None
    positive_count: int | None = None
    neutral_count: int | None = None
    negative_count: int | None = None


class TopicCriterion(Model):
    """The results of an evaluation criterion in the conversations about a topic.

    Schema: TopicEvaluationCriteriaAggregate.
    """

    criteria_id: str | None = None
    success_count: int | None = None
    failure_count: int | None = None
    unknown_count: int | None = None


class TopicMetrics(Model):
    """The metrics of the conversations about a topic.

    Schema: TopicMetricsAggregate.

    Attributes:
        evaluation_criteria: The results of the evaluation criteria; empty if the topics were requested with
            ``include_evaluation_criteria=False``.
    """

    conversation_count: int | None = None
    sentiment: TopicSentiment | None = None
    evaluation_criteria: tuple[TopicCriterion, ...] = ()


class AgentTopic(ListItem, gc=True, dict=True):
    """A topic of an agent's conversations.

    Schema: AgentTopicResponseModel.

    Attributes:
        x_2d: The x coordinate on a map of the topics.
        y_2d: The y coordinate on a map of the topics.
        success_rate: The success rate over all evaluation criteria, weighted by the number of scored conversations.
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
