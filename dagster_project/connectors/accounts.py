"""Several accounts of one source, each read for itself: one that is denied does not stop the others. No vendor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from dagster_project.connectors.contract import Page, QuotaError, SourceError, Tally, VendorError

# Accounts after so many that failed in a row, by the vendor's fault, are not asked: it is the vendor that is down.
FAILURES_IN_A_ROW = 3


def read_each(ids: Sequence[str], read: Callable[[str], Iterator[Page]], tally: Tally) -> Iterator[Page]:
    """The pages of all accounts, one account after another; `tally` is told of each whether it was read.

    Raises the first account's error where no account of this read could be read.
    """
    in_a_row = 0
    for account_id in ids:
        if in_a_row == FAILURES_IN_A_ROW:
            down = VendorError(f"not asked, since {FAILURES_IN_A_ROW} accounts before it failed")
            tally.fail_account(account_id, down)
            continue
        try:
            yield from read(account_id)
        except SourceError as error:
            tally.fail_account(account_id, error)
            in_a_row = in_a_row + 1 if isinstance(error, VendorError | QuotaError) else 0
        else:
            tally.read_account(account_id)
            in_a_row = 0
    raise_if_none_was_read(tally)


def raise_if_none_was_read(tally: Tally) -> None:
    if tally.failed_accounts and not tally.read_accounts:
        raise next(iter(tally.failed_accounts.values()))
