"""What may be changed about an account, and by whom."""

import pytest

from edge.messages import RefusedError
from maps.people.accounts import Changer, NewAccount
from maps.people.roles import Role

BY = Changer("a test", "192.0.2.9")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"account": "An"}, "account: 'An'"),
        ({"account": "a" * 65}, "account:"),
        ({"account": "an\n"}, "account:"),
        ({"shown_name": ""}, "shown_name:"),
        ({"shown_name": "a\nb"}, "shown_name:"),
        ({"shown_name": "a\u202eb"}, "shown_name:"),  # writes backwards
        ({"shown_name": "x" * 65}, "shown_name:"),
        ({"unit": "Đồn 1"}, "unit: 'Đồn 1'"),
        ({"role": Role.PARTNER}, "unit: a partner"),
        ({"sectors": "* a"}, "sectors: '*'"),
        ({"sectors": ""}, "sectors: ''"),
        ({"sectors": "Hà Giang"}, "sectors: "),
    ],
)
def test_a_field_that_is_none_is_refused_by_name(log_in, clock, changed, said) -> None:
    new = {"account": "an.nv", "shown_name": "An", "role": Role.GUARD} | changed
    with pytest.raises(RefusedError, match=f"^{said.replace('*', '[*]')}"):
        log_in.accounts.make(NewAccount(**new), by=BY, now=clock())


def test_a_name_in_the_log_is_one_persons(make) -> None:
    make(shown_name="Nguyễn Văn An")
    with pytest.raises(RefusedError, match="already"):
        make(shown_name="Ai đó")
    with pytest.raises(RefusedError, match="somebody else is shown"):
        make("an2", shown_name="NGUYỄN VĂN AN")


LESS = {
    "role": lambda accounts, by: accounts.give_role("chi", Role.GUARD, by=by),
    "sectors": lambda accounts, by: accounts.give_sectors("chi", "bien-thu", by=by),
    "lock": lambda accounts, by: accounts.lock("chi", by=by),
}


@pytest.mark.parametrize("change", LESS)
def test_the_last_administrator_stays_one(log_in, make, change) -> None:
    make("chi", role=Role.ADMINISTRATOR)
    make("of-one-sector", role=Role.ADMINISTRATOR, sectors="bien-thu")
    make("locked", role=Role.ADMINISTRATOR)
    log_in.accounts.lock("locked", by=BY)
    with pytest.raises(RefusedError, match="'chi' is the last administrator"):
        LESS[change](log_in.accounts, BY)
    log_in.accounts.unlock("locked", by=BY)
    LESS[change](log_in.accounts, BY)


@pytest.mark.parametrize("change", LESS)
def test_nobody_takes_or_gives_their_own_right(log_in, make, change) -> None:
    make("chi", role=Role.ADMINISTRATOR)
    make("dung", role=Role.ADMINISTRATOR)
    with pytest.raises(RefusedError, match="another administrator does"):
        LESS[change](log_in.accounts, Changer("chi", "192.0.2.1", "chi"))


def test_an_administrator_of_one_sector_reaches_no_further(log_in, make, clock) -> None:
    make("chi", role=Role.ADMINISTRATOR)
    make("xa", sectors="sector-b")
    make("gan", sectors="bien-thu")
    chief = Changer("nam", "192.0.2.1", "nam", sectors="bien-thu")
    accounts = log_in.accounts
    for beyond in (
        lambda: accounts.lock("chi", by=chief),
        lambda: accounts.hand_out("chi", by=chief, now=clock()),
        lambda: accounts.give_role("xa", Role.GUARD, by=chief),
        lambda: accounts.give_sectors("gan", "*", by=chief),
        lambda: accounts.give_sectors("gan", "bien-thu, sector-b", by=chief),
        lambda: accounts.make(NewAccount("x", "X", Role.ADMINISTRATOR), by=chief, now=clock()),
    ):
        with pytest.raises(RefusedError, match="administers 'bien-thu'"):
            beyond()
    accounts.give_role("gan", Role.GUARD, by=chief)


def test_an_account_that_is_not_there_is_said_so(log_in) -> None:
    with pytest.raises(RefusedError, match="there is no account 'ai-do'"):
        log_in.accounts.lock("ai-do", by=BY)
