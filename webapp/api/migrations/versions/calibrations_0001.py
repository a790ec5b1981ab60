"""The table of stored calibrations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "calibrations",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, index=True),
        sa.Column("fingerprint", sa.String(128), nullable=False, index=True),
        sa.Column("engine", sa.String(300), nullable=False),
        sa.Column("backend", sa.String(300), nullable=False),
        sa.Column("measured_on", sa.String(10), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("content", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drop the table and all that is stored."""
    op.drop_table("calibrations")
