"""First tables: collections with items, heads with versions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Written out here: a migration does not change when the tables of today do.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ORDERED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)
VECTOR = sa.LargeBinary()


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "collections",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("name", ORDERED, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("keep", sa.Text(), nullable=False),
        sa.Column("metadata_schema", sa.JSON(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "keep IN ('nothing', 'thumbnail', 'original')", name=op.f("ck_collections_keep")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collections")),
        sa.UniqueConstraint("name", name=op.f("uq_collections_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "heads",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("name", ORDERED, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("live_version", sa.Integer(), nullable=False),
        sa.Column("last_version", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_heads")),
        sa.UniqueConstraint("name", name=op.f("uq_heads_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "deletions",
        sa.Column("collection_id", KEY, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("item_pk", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_deletions_collection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("collection_id", "sequence", name=op.f("pk_deletions")),
    )
    op.create_table(
        "head_versions",
        sa.Column("head_id", KEY, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("classes", sa.JSON(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("classifier", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["head_id"], ["heads.id"], name=op.f("fk_head_versions_head_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("head_id", "version", name=op.f("pk_head_versions")),
    )
    op.create_table(
        "items",
        sa.Column("pk", KEY, autoincrement=True, nullable=False),
        sa.Column("collection_id", KEY, nullable=False),
        sa.Column("item_id", ORDERED, nullable=False),
        sa.Column("label", ORDERED, nullable=True),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_items_collection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_items")),
        sa.UniqueConstraint(
            "collection_id", "item_id", name=op.f("uq_items_collection_id_item_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_items_collection_id_label"), "items", ["collection_id", "label"], unique=False
    )
    op.create_index(
        op.f("ix_items_collection_id_pk"), "items", ["collection_id", "pk"], unique=False
    )
    op.create_index(
        op.f("ix_items_collection_id_sequence"),
        "items",
        ["collection_id", "sequence"],
        unique=False,
    )
    op.create_table(
        "head_labels",
        sa.Column("pk", KEY, autoincrement=True, nullable=False),
        sa.Column("head_id", KEY, nullable=False),
        sa.Column("example_id", ORDERED, nullable=False),
        sa.Column("label", ORDERED, nullable=False),
        sa.Column("vector", VECTOR, nullable=False),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("item_pk", KEY, nullable=True),
        sa.ForeignKeyConstraint(
            ["head_id"], ["heads.id"], name=op.f("fk_head_labels_head_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["item_pk"], ["items.pk"], name=op.f("fk_head_labels_item_pk"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_head_labels")),
        sa.UniqueConstraint(
            "head_id", "example_id", name=op.f("uq_head_labels_head_id_example_id")
        ),
    )
    op.create_index(op.f("ix_head_labels_item_pk"), "head_labels", ["item_pk"], unique=False)
    op.create_table(
        "item_files",
        sa.Column("item_pk", KEY, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("kind IN ('thumbnail', 'original')", name=op.f("ck_item_files_kind")),
        sa.ForeignKeyConstraint(
            ["item_pk"], ["items.pk"], name=op.f("fk_item_files_item_pk"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item_pk", "kind", name=op.f("pk_item_files")),
    )
    op.create_table(
        "item_values",
        sa.Column("pk", KEY, autoincrement=True, nullable=False),
        sa.Column("item_pk", KEY, nullable=False),
        sa.Column("collection_id", sa.BigInteger(), nullable=False),
        sa.Column("key", ORDERED, nullable=False),
        sa.Column("text", ORDERED, nullable=True),
        sa.Column("number", sa.Double(), nullable=True),
        sa.Column("boolean", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["item_pk"], ["items.pk"], name=op.f("fk_item_values_item_pk"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_item_values")),
    )
    op.create_index(
        op.f("ix_item_values_collection_id_key_boolean"),
        "item_values",
        ["collection_id", "key", "boolean"],
        unique=False,
    )
    op.create_index(
        op.f("ix_item_values_collection_id_key_number"),
        "item_values",
        ["collection_id", "key", "number"],
        unique=False,
    )
    op.create_index(
        op.f("ix_item_values_collection_id_key_text"),
        "item_values",
        ["collection_id", "key", "text"],
        unique=False,
    )
    op.create_index(op.f("ix_item_values_item_pk"), "item_values", ["item_pk"], unique=False)
    op.create_table(
        "vectors",
        sa.Column("item_pk", KEY, nullable=False),
        sa.Column("collection_id", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("vector", VECTOR, nullable=False),
        sa.ForeignKeyConstraint(
            ["item_pk"], ["items.pk"], name=op.f("fk_vectors_item_pk"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item_pk", name=op.f("pk_vectors")),
    )
    op.create_index(
        op.f("ix_vectors_collection_id_sequence"),
        "vectors",
        ["collection_id", "sequence"],
        unique=False,
    )
