"""Fills the throw-away domain: john.doe with certificates and groups, one administrator, and leaver's account with the rights
that its setup names and no others. Samba's schema knows no msDS-KeyCredentialLink."""

import base64
import sys

from samba.auth import system_session
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack
from samba.param import LoadParm
from samba.samdb import SamDB
import ldb

BASE = "DC=example,DC=test"
STAFF, GROUPS = f"OU=Staff,{BASE}", f"OU=Groups,{BASE}"

# The classes, attributes and the extended right that leaver's account is given (MS-ADTS, schema).
USER, GROUP = "bf967aba-0de6-11d0-a285-00aa003049e2", "bf967a9c-0de6-11d0-a285-00aa003049e2"
CONTROL = "bf967a68-0de6-11d0-a285-00aa003049e2"
MEMBER = "bf9679c0-0de6-11d0-a285-00aa003049e2"
MAPPED = "00fbf30c-91fe-11d1-aebc-0000f80367c1"
CERTIFICATE = "bf967a7f-0de6-11d0-a285-00aa003049e2"
RESET = "00299570-246d-11d0-a768-00aa006e0529"


def delegate(db, dn, sid, aces):
    """Adds entries to an access control list."""
    found = db.search(dn, scope=ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"])[0]
    descriptor = ndr_unpack(security.descriptor, found["nTSecurityDescriptor"][0])
    domain = security.dom_sid(db.get_domain_sid())
    given = security.descriptor.from_sddl("D:" + "".join(ace.format(sid=sid) for ace in aces), domain)
    for ace in given.dacl.aces:
        descriptor.dacl_add(ace)
    change = ldb.Message(ldb.Dn(db, dn))
    change["d"] = ldb.MessageElement(ndr_pack(descriptor), ldb.FLAG_MOD_REPLACE, "nTSecurityDescriptor")
    db.modify(change)


def sid_of(db, dn):
    found = db.search(dn, scope=ldb.SCOPE_BASE, attrs=["objectSid"])[0]
    return str(ndr_unpack(security.dom_sid, found["objectSid"][0]))


def main():
    configuration, given = sys.argv[1:]
    parameters = LoadParm()
    parameters.load(configuration)
    db = SamDB(session_info=system_session(), lp=parameters, url=parameters.private_path("sam.ldb"))
    secret = lambda name: open(f"{given}/{name}.txt", encoding="ascii").read().strip()
    for unit in (STAFF, GROUPS):
        db.add({"dn": unit, "objectClass": "organizationalUnit"})
    db.newuser("leaver", secret("leaver"))
    people = [("john.doe", "EMP-12345", "john"), ("riley.owner", "EMP-10002", "leaver")]
    for name, number, password in people:
        db.newuser(name, secret(password), userou="OU=Staff", mailaddress=f"{name}@example.com")
        dn = f"CN={name},{STAFF}"
        db.modify_ldif(f"dn: {dn}\nchangetype: modify\nadd: employeeID\nemployeeID: {number}\n")
    john = f"CN=john.doe,{STAFF}"
    certificate = base64.b64encode(bytes([0x30, 0x03, 0x02, 0x01, 0xFF])).decode("ascii")
    db.modify_ldif(
        f"dn: {john}\nchangetype: modify\nadd: altSecurityIdentities\n"
        f"altSecurityIdentities: X509:<I>CN=Example CA<S>CN=john.doe\n-\n"
        f"add: userCertificate\nuserCertificate:: {certificate}\n"
    )
    for group in ("Engineering", "VPN Users", "Wiki"):
        db.newgroup(group, groupou="OU=Groups")
        db.add_remove_group_members(group, ["john.doe"], add_members_operation=True)
    db.add_remove_group_members("Domain Admins", ["riley.owner"], add_members_operation=True)
    write = lambda attribute, of: f"(OA;CIIO;RPWP;{attribute};{of};{{sid}})"
    own = sid_of(db, f"CN=leaver,CN=Users,{BASE}")
    rights = [write(attribute, USER) for attribute in (CONTROL, MAPPED, CERTIFICATE)]
    delegate(db, STAFF, own, rights + [f"(OA;CIIO;CR;{RESET};{USER};{{sid}})"])
    delegate(db, GROUPS, own, [write(MEMBER, GROUP)])


main()
