"""A form for rows with a criterion in a JSON column."""

from __future__ import annotations

from communities.admin.criterion_field import CriterionFormField, refuse_unknown
from scrm.accounts.admin_scope import EnterpriseForm
from scrm.shared.criteria import Criterion


class CriterionForm(EnterpriseForm):
    criterion = CriterionFormField()

    def clean_criterion(self) -> Criterion:
        criterion: Criterion = self.cleaned_data["criterion"]
        refuse_unknown(criterion, enterprise_id=self.user.enterprise_id)
        return criterion

    def _post_clean(self) -> None:
        """The row is checked with the criterion as its column keeps it; the verb takes it read."""
        criterion = self.cleaned_data.get("criterion")
        if isinstance(criterion, Criterion):
            self.cleaned_data["criterion"] = criterion.as_json()
        super()._post_clean()  # type: ignore[misc]
        if isinstance(criterion, Criterion):
            self.cleaned_data["criterion"] = criterion
