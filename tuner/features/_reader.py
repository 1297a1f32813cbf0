"""Reads UVL: text or a file to a `FeatureModel`, with the models that it imports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tuner.errors import UserError
from tuner.features._cursor import Cursor
from tuner.features._deadline import check_deadline
from tuner.features._formula import RawConstraint, constraint
from tuner.features._lexer import LARGEST_FILE, Source, tokenize
from tuner.features._model import Constraint, Feature, FeatureModel, Group
from tuner.features._resolve import Resolver
from tuner.features._syntax import RawFeature, RawModel, parse
from tuner.features.expression import rename

DEEPEST_IMPORT = 20
"""Models that import one another in a row."""


def read_uvl(text_or_path: str | Path) -> FeatureModel:
    """Read a feature model.

    A `Path`, or a string of one line that ends in `.uvl`, is a file; any other string is the text
    itself, which can't import other files.

    Raises `UvlError`, which names file, line, column and what was expected, and `UserError` where
    the file can't be read.
    """
    if isinstance(text_or_path, str) and not (
        text_or_path.endswith(".uvl") and "\n" not in text_or_path
    ):
        return _Reader().read(Source(text_or_path, "<text>"), None)
    path = Path(text_or_path)
    return _Reader().read(_load(path), path)


def read_expression(model: FeatureModel, text: str, *, name: str = "<constraint>") -> Constraint:
    """Read one constraint over the features of a model."""
    source = Source(text, name)
    return _lone_constraint(source, Resolver(model.features, source))


def _load(path: Path) -> Source:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise UserError(f"'{path}' has more than {LARGEST_FILE} bytes")
        return Source(data.decode("utf-8-sig"), str(path))
    except OSError as error:
        raise UserError(f"can't read '{path}': {error.strerror or error}") from None
    except (UnicodeDecodeError, ValueError) as error:
        raise UserError(f"'{path}' is no UVL file: it is not UTF-8 text ({error})") from None


def _lone_constraint(source: Source, resolver: Resolver) -> Constraint:
    cursor = Cursor(tokenize(source))
    if cursor.token[0] == "end":
        raise cursor.error("a constraint")
    cursor.accept("indent")
    raw = constraint(cursor)
    cursor.expect("newline", "an operator or the end of the constraint")
    return Constraint(resolver.condition(raw.tree), raw.text)


@dataclass
class _Reader:
    open: list[Path] = field(default_factory=list)  # files that are being read, outermost first

    def read(self, source: Source, path: Path | None) -> FeatureModel:
        tokens = tokenize(source)
        cursor = Cursor(tokens)
        raw = parse(cursor)
        if path is not None:
            self.open.append(path.resolve())
        imported = self._imports(raw, source, path)
        if path is not None:
            self.open.pop()
        builder = _Builder(source, imported)
        root = builder.feature(raw.root)
        for alias in imported.keys() - builder.used:
            cursor.notes.append(f"the imported model '{alias}' is not used in the tree of features")
        bare = FeatureModel(root, source=source.name)
        builder.check_names(bare, raw.root)
        resolver = Resolver(bare.features, source)
        cross_tree = [
            replace(
                self._constraint(resolver, item),
                comment=tokens.comment_above(source.place(item.offset)[0]),
            )
            for item in raw.constraints
        ]
        for alias in sorted(builder.used):
            cross_tree.extend(
                _renamed(c, imported[alias], alias) for c in imported[alias].constraints
            )
        return FeatureModel(
            self._finished(root, builder.raw, resolver),
            tuple(cross_tree),
            raw.namespace,
            tuple(raw.includes),
            source.name,
            tuple(cursor.notes),
        )

    def _imports(self, raw: RawModel, source: Source, path: Path | None) -> dict[str, FeatureModel]:
        found: dict[str, FeatureModel] = {}
        for parts, alias, offset in raw.imports:
            if path is None:
                raise source.error(offset, "a text can't import: read the model from a file")
            if alias in found:
                raise source.error(offset, f"two imported models are called '{alias}'")
            place = path.parent.joinpath(*parts).with_suffix(".uvl")
            if not place.resolve().is_relative_to(path.parent.resolve()):
                raise source.error(offset, "a model can only import from its own folder and below")
            if place.resolve() in self.open:
                raise source.error(offset, f"'{'.'.join(parts)}' imports itself in the end")
            if len(self.open) > DEEPEST_IMPORT:
                raise source.error(offset, f"imports nested deeper than {DEEPEST_IMPORT} levels")
            if not place.is_file():
                raise source.error(offset, f"there is no file '{place}' to import")
            found[alias] = self.read(_load(place), place)
        return found

    def _constraint(self, resolver: Resolver, raw: RawConstraint) -> Constraint:
        check_deadline("read")
        line = resolver.source.place(raw.offset)[0]
        return Constraint(resolver.condition(raw.tree), raw.text, line=line)

    def _finished(
        self, feature: Feature, raws: dict[str, RawFeature], resolver: Resolver
    ) -> Feature:
        """The feature and all below it with their own constraints looked up."""
        groups = tuple(
            replace(g, features=tuple(self._finished(f, raws, resolver) for f in g.features))
            for g in feature.groups
        )
        raw = raws.get(feature.name)
        if raw is None:  # imported, and so finished already
            return replace(feature, groups=groups)
        own = tuple(
            replace(self._constraint(resolver, item), feature=feature.name)
            for item in raw.constraints
        )
        inert = self._inert(feature, raw, resolver)
        return replace(feature, groups=groups, constraints=own, inert=inert)

    def _inert(self, feature: Feature, raw: RawFeature, resolver: Resolver) -> Constraint | None:
        text = feature.attributes.get("inert")
        if text is None:
            return None
        line, column = resolver.source.place(raw.places["inert"])
        if not isinstance(text, str):
            raise resolver.source.error(
                raw.places["inert"], "`inert` needs a constraint as a text: inert '..'"
            )
        place = f"{resolver.source.name}, line {line}, column {column}, in `inert`"
        own = Source(text.replace("`", "'"), place)  # a text within the text
        return replace(_lone_constraint(own, Resolver(resolver.features, own)), line=line)


@dataclass
class _Builder:
    """Makes features from what is written, and puts imported trees in their places."""

    source: Source
    imported: dict[str, FeatureModel]
    used: set[str] = field(default_factory=set)
    raw: dict[str, RawFeature] = field(default_factory=dict)

    def feature(self, raw: RawFeature) -> Feature:
        name = ".".join(raw.parts)
        if len(raw.parts) > 1:
            return self._attached(raw, name)
        if raw.type not in (None, "Boolean") and "abstract" in raw.attributes:
            raise self.source.error(raw.offset, f"'{name}' has a value and can't be abstract")
        earlier = self.raw.setdefault(name, raw)
        if earlier is not raw:
            line = self.source.place(earlier.offset)[0]
            raise self.source.error(
                raw.offset, f"feature '{name}' is there already, in line {line}: names are unique"
            )
        return Feature(
            name,
            raw.type or "Boolean",  # type: ignore[arg-type]
            raw.attributes,
            tuple(
                Group.of(g.kind, [self.feature(f) for f in g.features], g.lower, g.upper)
                for g in raw.groups
            ),
            comment=raw.comment,
            line=self.source.place(raw.offset)[0],
        )

    def _attached(self, raw: RawFeature, name: str) -> Feature:
        """The root of an imported model in the place of its name."""
        alias, _, rest = name.rpartition(".")
        model = self.imported.get(alias)
        if model is None:
            raise self.source.error(raw.offset, f"no model is imported as '{alias}'")
        if rest != model.root.name:
            raise self.source.error(
                raw.offset, f"'{alias}' is used through its root feature '{model.root.name}' alone"
            )
        if alias in self.used:
            raise self.source.error(raw.offset, f"the imported model '{alias}' is used twice")
        if raw.attributes or raw.constraints or raw.groups or raw.type:
            raise self.source.error(raw.offset, "an imported feature is described in its own file")
        self.used.add(alias)
        return _prefixed(model.root, model, alias)

    def check_names(self, model: FeatureModel, root: RawFeature) -> None:
        """Refuse a name that an import brings and the file has too."""
        names: set[str] = set()
        for name in _names(model.root):
            if name in names:
                raise self.source.error(root.offset, f"feature '{name}' is there twice")
            names.add(name)


def _names(feature: Feature) -> Iterator[str]:
    yield feature.name
    for child in feature.children:
        yield from _names(child)


def _prefixed(feature: Feature, model: FeatureModel, alias: str) -> Feature:
    groups = tuple(
        replace(g, features=tuple(_prefixed(f, model, alias) for f in g.features))
        for g in feature.groups
    )
    inert: Any = feature.inert and _renamed(feature.inert, model, alias)
    own = tuple(_renamed(c, model, alias) for c in feature.constraints)
    return replace(
        feature, name=f"{alias}.{feature.name}", groups=groups, constraints=own, inert=inert
    )


def _renamed(item: Constraint, model: FeatureModel, alias: str) -> Constraint:
    names = {name: f"{alias}.{name}" for name in model.features}
    owner = None if item.feature is None else names[item.feature]
    return replace(item, expression=rename(item.expression, names), feature=owner)  # type: ignore[arg-type]
