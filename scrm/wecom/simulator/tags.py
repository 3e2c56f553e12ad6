"""The company's customer tags."""

from __future__ import annotations

from dataclasses import dataclass, field

from scrm.wecom.simulator.refusals import Impossible
from scrm.wecom.simulator.state import verb
from scrm.wecom.simulator.welcome import Welcoming


@dataclass(slots=True)
class Tag:
    id: str
    name: str
    order: int
    created_at: int
    deleted: bool = False


@dataclass(slots=True)
class TagGroup:
    """``agent_id`` of 0: made in the console."""

    id: str
    name: str
    order: int
    created_at: int
    serial: int
    agent_id: int = 0
    tags: list[Tag] = field(default_factory=list)

    @property
    def living(self) -> list[Tag]:
        return [tag for tag in self.tags if not tag.deleted]

    @property
    def deleted(self) -> bool:
        """There are no empty groups."""
        return not self.living


@dataclass(kw_only=True)
class Tagging(Welcoming):
    tag_groups: dict[str, TagGroup] = field(default_factory=dict)

    def living_tags(self) -> dict[str, tuple[TagGroup, Tag]]:
        return {tag.id: (group, tag) for group in self.tag_groups.values() for tag in group.living}

    def tag_names(self, tag_ids: list[str]) -> dict[str, tuple[str, str]]:
        """The names of group and tag, of those that still exist."""
        if not tag_ids:
            return {}
        living = self.living_tags()
        return {
            tag_id: (living[tag_id][0].name, living[tag_id][1].name)
            for tag_id in tag_ids
            if tag_id in living
        }

    def make_tags(
        self, group: TagGroup | None, name: str, order: int, tags: list[tuple[str, int]], agent: int
    ) -> tuple[TagGroup, list[Tag]]:
        """New tags in a group, which is made if there is none. No events: the callers decide."""
        now = self.clock.second()
        if group is None:
            group = TagGroup(self.new_id("et"), name, order, now, self.next_serial(), agent)
            self.tag_groups[group.id] = group
        fresh = [Tag(self.new_id("et"), tag, place, now) for tag, place in tags]
        group.tags += fresh
        return group, fresh

    @verb
    def add_tags(self, group_name: str, names: list[str]) -> list[str]:
        """Made in the console, which the platform tells: a group and each of its tags."""
        former = next(
            (g for g in self.tag_groups.values() if g.name == group_name and not g.deleted), None
        )
        group, fresh = self.make_tags(former, group_name, 1, [(name, 1) for name in names], 0)
        if former is None:
            self._announce_tag("create", group.id, "tag_group")
        for tag in fresh:
            self._announce_tag("create", tag.id, "tag")
        return [tag.id for tag in fresh]

    @verb
    def rename_tag(self, tag_id: str, name: str) -> None:
        if (found := self.living_tags().get(tag_id)) is None:
            raise Impossible(f"没有标签 {tag_id}")
        found[1].name = name
        self._announce_tag("update", tag_id, "tag")

    @verb
    def remove_tag(self, tag_id: str) -> None:
        if (found := self.living_tags().get(tag_id)) is None:
            raise Impossible(f"没有标签 {tag_id}")
        found[1].deleted = True
        self._announce_tag("delete", tag_id, "tag")
        if found[0].deleted:
            self._announce_tag("delete", found[0].id, "tag_group")

    def _announce_tag(self, change: str, tag_id: str, kind: str) -> None:
        self.announce(
            "change_external_tag",
            ("Id", tag_id),
            ("TagType", kind),
            ("ChangeType", change),
            subject=tag_id,
        )
