"""How a question names its model, and what every part of a question has in common."""

from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any, ClassVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    Tag,
    create_model,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from catalog.llms import Llm

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
MOST_FIELDS = 64
"""No object of a question has as many, but a model by its figures."""


def few(value: Any, most: int = MOST_FIELDS) -> Any:
    """An object with so many fields at most. Of more one is unknown: that is told, and the time that telling it takes
    does not grow with what was sent.
    """
    return dict(islice(value.items(), most)) if isinstance(value, dict) and len(value) > most else value


class Question(BaseModel):
    """Part of a question: an explicit null and an absent field are the same, unknown fields are refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), defer_build=True)

    most_fields: ClassVar[int] = MOST_FIELDS

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        said = {key: item for key, item in value.items() if item is not None} if None in value.values() else value
        return few(said, cls.most_fields)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """What may be left out may be null as well."""
        found = handler.resolve_ref_schema(handler(core_schema))
        for name, field in found["properties"].items():
            told = name in found.get("required", ()) or {"type": "null"} in field.get("anyOf", ())
            if handler.mode == "validation" and not told:
                kept = {key: field.pop(key) for key in ("default", "title", "description") if key in field}
                found["properties"][name] = {"anyOf": [field, {"type": "null"}]} | kept
        return found


Address = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4096)]
Billions = Annotated[float, Field(gt=0.001, le=100_000, allow_inf_nan=False)]


class GgufFile(Question):
    """A model given as a file: its path, or the address of which the header alone is read."""

    gguf: Address


class HfModel(Question):
    """A model of Hugging Face: "owner/repository", and which of its GGUF files."""

    hf: Address
    file: Address | None = None


class _Figures(Question):
    """What may be said of a model that is in no catalog, beside its shapes."""

    most_fields: ClassVar[int] = 2 * MOST_FIELDS

    name: Text = "a described model"
    parameters_b: Billions | None = None
    """All parameters, in billions."""
    active_parameters_b: Billions | None = None
    """Those that one token is multiplied with."""


_NOT_SHAPES = frozenset({
    "id", "name", "hf_id", "aliases", "labels", "source", "as_of", "parameters_published", "parameters_scope",
    "mtp_in_gguf",
})
_SHAPES: dict[str, Any] = {
    name: (cast(Any, field.annotation) | None, None)
    for name, field in Llm.model_fields.items()
    if name not in _NOT_SHAPES
}
_WORDS = "A model by its figures: columns of the catalog's table of models, or the counts of its parameters alone."
CustomLlm: Any = create_model("CustomLlm", __base__=_Figures, __doc__=_WORDS, **_SHAPES)
"""Every hyper-parameter that decides bytes, each of which may be left out."""


class CustomModel(Question):
    """A model given by its figures."""

    custom: CustomLlm


MODEL_ARMS: Mapping[str, type[Question]] = {"gguf": GgufFile, "hf": HfModel, "custom": CustomModel}
"""Objects that name a model, by the key that tells them apart."""


def _model_arm(value: Any) -> str:
    """Which way a model is given: by the first key of an object that is one; what is no object is a name."""
    if isinstance(value, dict):
        return next((key for key in MODEL_ARMS if key in value), "gguf")
    return next((key for key, arm in MODEL_ARMS.items() if isinstance(value, arm)), "name")


AnyModel = Annotated[
    Annotated[Text, Tag("name")] | Annotated[GgufFile, Tag("gguf")] | Annotated[HfModel, Tag("hf")]
    | Annotated[CustomModel, Tag("custom")],
    Discriminator(_model_arm),
]
"""A model: its name, its file, its repository or its figures."""
