"""The tables. `migrations/` makes them; a test holds the two equal.

Every change to a collection takes the next numbers of the collection's `sequence` inside its own
transaction, and the first statement of that transaction locks the collection's row. So numbers
become visible in their order, and whoever reads "everything after n" misses nothing.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from service.storage.types import Key, Moment, Ordered, StoredVector

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


collections = Table(
    "collections",
    metadata,
    # AUTOINCREMENT throughout: a number that was deleted is never given again, so an index or
    # another process that still holds it cannot take the new for the old.
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("name", Ordered, nullable=False, unique=True),
    Column("model", Text, nullable=False),
    Column("space", Text, nullable=False),
    Column("dim", Integer, nullable=False),
    Column("keep", Text, nullable=False),
    Column("metadata_schema", JSON, nullable=False),  # declared metadata keys and their types
    Column("sequence", BigInteger, nullable=False),  # the last number given to a change
    Column("created_at", Moment, nullable=False),
    CheckConstraint("keep IN ('nothing', 'thumbnail', 'original')", name="keep"),
    sqlite_autoincrement=True,
)

items = Table(
    "items",
    metadata,
    Column("pk", Key, primary_key=True, autoincrement=True),
    Column("collection_id", ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    Column("item_id", Ordered, nullable=False),  # the name a caller knows it by
    Column("label", Ordered),
    Column("metadata", JSON, nullable=False),
    Column("digest", Text),  # sha256 of the image file; none where a vector was sent
    Column("sequence", BigInteger, nullable=False),  # of the last change of any kind
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    UniqueConstraint("collection_id", "item_id"),
    Index(None, "collection_id", "sequence"),
    Index(None, "collection_id", "label"),
    Index(None, "collection_id", "pk"),
    sqlite_autoincrement=True,
)

vectors = Table(
    "vectors",
    metadata,
    Column("item_pk", ForeignKey("items.pk", ondelete="CASCADE"), primary_key=True),
    Column("collection_id", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),  # of the last change of the vector
    Column("vector", StoredVector, nullable=False),  # unit length
    Index(None, "collection_id", "sequence"),
)

item_values = Table(
    "item_values",
    metadata,
    # By which filters find the item: a row for each scalar in its metadata, in the column of its
    # type; and one with none of them for a key that holds an object, or a list without scalars.
    # Whole numbers and others are apart, as neither can hold all of the other exactly. Of a long
    # text the beginning is here, a character more than any operand has, which decides every
    # comparison: an index entry of PostgreSQL has at most 2,700 bytes.
    Column("pk", Key, primary_key=True, autoincrement=True),
    Column("item_pk", ForeignKey("items.pk", ondelete="CASCADE"), nullable=False, index=True),
    Column("collection_id", BigInteger, nullable=False),
    Column("key", Ordered, nullable=False),
    Column("text", Ordered),
    Column("whole", BigInteger),
    Column("number", Double),
    Column("boolean", Boolean),
    Index(None, "collection_id", "key", "whole"),
    Index(None, "collection_id", "key", "number"),
    Index(None, "collection_id", "key", "boolean"),
    Index(None, "collection_id", "key", "text"),
)

item_files = Table(
    "item_files",
    metadata,
    Column("item_pk", ForeignKey("items.pk", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("media_type", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    CheckConstraint("kind IN ('thumbnail', 'original')", name="kind"),
)

deletions = Table(
    "deletions",
    metadata,
    # What left, so that an index which follows the sequence hears of it.
    Column("collection_id", ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("item_pk", BigInteger, nullable=False),
)

heads = Table(
    "heads",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("name", Ordered, nullable=False, unique=True),
    Column("model", Text, nullable=False),
    Column("space", Text, nullable=False),
    Column("dim", Integer, nullable=False),
    Column("live_version", Integer, nullable=False),  # the one that answers
    Column("last_version", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    sqlite_autoincrement=True,
)

head_labels = Table(
    "head_labels",
    metadata,
    Column("pk", Key, primary_key=True, autoincrement=True),
    Column("head_id", ForeignKey("heads.id", ondelete="CASCADE"), nullable=False),
    Column("example_id", Ordered, nullable=False),
    Column("label", Ordered, nullable=False),
    Column("vector", StoredVector, nullable=False),
    Column("digest", Text),
    # An item that is removed takes its labels with it.
    Column("item_pk", ForeignKey("items.pk", ondelete="CASCADE"), index=True),
    UniqueConstraint("head_id", "example_id"),
)

head_versions = Table(
    "head_versions",
    metadata,
    Column("head_id", ForeignKey("heads.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("classes", JSON, nullable=False),  # [{"name", "count"}] in the classifier's order
    Column("report", JSON, nullable=False),
    Column("classifier", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
)
