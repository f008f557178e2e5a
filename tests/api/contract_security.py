"""The members of the classes of SASL and TLS, as `contract.py` has the others."""

CLASSES = {
    "SASL": """
        AUTH = 1
        OK = 0
        PERM = 3
        SYS = 2
        TEMP = 4
        allow_insecure_mechs rw
        allowed_mechs(self, mechs)
        authorization
        config_name(self, name)
        config_path(self, path)
        done(self, outcome)
        static extended()
        mech
        outcome
        user
    """,
    "SSL": """
        CERT_CITY_OR_LOCALITY = 2
        CERT_COMMON_NAME = 5
        CERT_COUNTRY_NAME = 0
        CERT_ORGANIZATION_NAME = 3
        CERT_ORGANIZATION_UNIT = 4
        CERT_STATE_OR_PROVINCE = 1
        MD5 = 3
        RESUME_NEW = 1
        RESUME_REUSED = 2
        RESUME_UNKNOWN = 0
        SHA1 = 0
        SHA256 = 1
        SHA512 = 2
        cipher_name(self)
        get_cert_common_name(self)
        get_cert_country(self)
        get_cert_fingerprint(self, fingerprint_length, digest_name)
        get_cert_fingerprint_md5(self)
        get_cert_fingerprint_sha1(self)
        get_cert_fingerprint_sha256(self)
        get_cert_fingerprint_sha512(self)
        get_cert_locality_or_city(self)
        get_cert_organization(self)
        get_cert_organization_unit(self)
        get_cert_state_or_province(self)
        get_cert_subject(self)
        get_cert_subject_subfield(self, subfield_name)
        peer_hostname rw
        static present()
        protocol_name(self)
        remote_subject
        resume_status(self)
    """,
    "SSLDomain": """
        ANONYMOUS_PEER = 2
        MODE_CLIENT = 1
        MODE_SERVER = 2
        VERIFY_PEER = 1
        VERIFY_PEER_NAME = 3
        allow_unsecured_client(self)
        set_credentials(self, cert_file, key_file, password)
        set_peer_authentication(self, verify_mode, trusted_CAs=None)
        set_trusted_ca_db(self, certificate_db)
    """,
    "SSLSessionDetails": """
        get_session_id(self)
    """,
}
