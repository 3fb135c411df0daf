"""Features of conversations."""

from __future__ import annotations

from msgspec import field

from convai_async.models._base import Model

__all__ = ["AgentTestingFeatures", "FeatureStatus", "FeaturesUsage", "WorkflowFeatures"]


class FeatureStatus(Model):
    """Whether a feature was enabled, and used.

    Schema: FeatureStatusCommonModel.
    """

    enabled: bool = False
    used: bool = False


class WorkflowFeatures(Model):
    """The workflow nodes that a conversation used, by type.

    Schema: WorkflowFeaturesUsageCommonModel.
    """

    enabled: bool = False
    tool_node: FeatureStatus = field(default_factory=FeatureStatus)
    standalone_agent_node: FeatureStatus = field(default_factory=FeatureStatus)
    phone_number_node: FeatureStatus = field(default_factory=FeatureStatus)
    end_node: FeatureStatus = field(default_factory=FeatureStatus)
    override_agent_node: FeatureStatus | None = None


class AgentTestingFeatures(Model):
    """The tests of the agent.

    Schema: TestsFeatureUsageCommonModel.
    """

    enabled: bool = False
    tests_ran_after_last_modification: bool = False
    tests_ran_in_last_7_days: bool = False


class FeaturesUsage(Model):
    """The features that a conversation enabled and used.

    Schema: FeaturesUsageCommonModel.
    """

    language_detection: FeatureStatus = field(default_factory=FeatureStatus)
    transfer_to_agent: FeatureStatus = field(default_factory=FeatureStatus)
    transfer_to_number: FeatureStatus = field(default_factory=FeatureStatus)
    multivoice: FeatureStatus = field(default_factory=FeatureStatus)
    dtmf_tones: FeatureStatus = field(default_factory=FeatureStatus)
    external_mcp_servers: FeatureStatus = field(default_factory=FeatureStatus)
    pii_zrm_workspace: bool = False
    pii_zrm_agent: bool = False
    tool_dynamic_variable_updates: FeatureStatus = field(default_factory=FeatureStatus)
    is_livekit: bool = False
    voicemail_detection: FeatureStatus = field(default_factory=FeatureStatus)
    workflow: WorkflowFeatures = field(default_factory=WorkflowFeatures)
    agent_testing: AgentTestingFeatures = field(default_factory=AgentTestingFeatures)
    dtmf_input: FeatureStatus | None = None
    versioning: FeatureStatus | None = None
    file_input: FeatureStatus | None = None
    freeform_procedure: FeatureStatus | None = None
    structured_procedure: FeatureStatus | None = None
