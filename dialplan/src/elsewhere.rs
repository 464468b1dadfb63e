//! Names that Asterisk has and that mean nothing here: who writes one made no slip.

/// What to say of one.
pub(crate) fn told(name: &str) -> String {
    format!("Asterisk has {name}, this exchange does not")
}

/// Applications.
#[rustfmt::skip]
pub(crate) const APPLICATIONS: &[&str] = &[
    "AddQueueMember", "AELSub", "AgentLogin", "AgentRequest", "AlarmReceiver", "AMD", "AppendCDRUserField",
    "AttendedTransfer", "AudioSocket", "BackgroundDetect", "BlindTransfer", "Bridge", "BridgeAdd",
    "BridgeWait", "BroadcastMessage", "CallingPres", "CELGenUserEvent", "ChangeMonitor", "ChannelRedirect",
    "ConfKick", "ControlPlayback", "DAHDIBarge", "DAHDIRAS", "DAHDIScan", "DAHDISendKeypadFacility",
    "DBdeltree", "DeadAGI", "Dictate", "DUNDi", "ExternalIVR", "FastAGI", "Festival", "Flash", "FollowMe",
    "GetCPEID", "IAX2Provision", "ImportVar", "Incomplete", "JabberJoin", "JabberLeave", "JabberSend",
    "JabberSendGroup", "JabberStatus", "JACK", "LookupBlacklist", "LookupCIDName", "MailboxExists",
    "MeetMeAdmin", "MeetMeChannelAdmin", "MeetMeCount", "MessageSend", "MinivmAccMess", "MinivmDelete",
    "MinivmGreet", "MinivmMWI", "MinivmNotify", "MinivmRecord", "Morsecode", "MP3Player", "NBScat",
    "ODBC_Commit", "ODBC_Rollback", "ODBCFinish", "ODBCRollback", "OSPAuth", "OSPFinish", "OSPLookup",
    "OSPNext", "PauseMonitor", "PauseQueueMember", "PickupChan", "PlayDialog", "PrivacyManager",
    "Proceeding", "QueueLog", "QueueUpdate", "RaiseException", "Random", "ReadExten", "ReadFile",
    "RealTime", "RealTimeUpdate", "ReceiveFAX", "ReceiveText", "RemoveQueueMember", "SayAlphaCase",
    "SayCountedAdj", "SayCountedNoun", "SayCountPL", "SayMoney", "SayOrdinal", "SendFAX", "SendImage",
    "SendText", "SendURL", "SetAMAFlags", "SetCallerID", "SetCDRUserField", "SetGlobalVar",
    "SetTransferCapability", "SetVar", "Signal", "SIPdtmfMode", "SIPSendCustomINFO", "SLAStation",
    "SLATrunk", "SMS", "SpeechActivateGrammar", "SpeechBackground", "SpeechCreate",
    "SpeechDeactivateGrammar", "SpeechDestroy", "SpeechLoadGrammar", "SpeechProcessingSound", "SpeechStart",
    "SpeechUnloadGrammar", "StartMusicOnHold", "Stasis", "StreamEcho", "TestClient", "TestServer",
    "ToneScan", "UnpauseMonitor", "UnpauseQueueMember", "UserEvent", "VMAuthenticate", "VMBoxExists",
    "VMSayName", "WaitDigit", "WaitForCondition", "WaitForNoise", "WaitForRing", "WaitForSignal",
    "WaitForSilence", "WaitForTone", "Zapateller",
];

/// Functions.
#[rustfmt::skip]
pub(crate) const FUNCTIONS: &[&str] = &[
    "AES_DECRYPT", "AES_ENCRYPT", "AGC", "AGENT", "AMI_CLIENT", "AST_CONFIG", "AST_SORCERY",
    "AUDIOHOOK_INHERIT", "BASE64_DECODE", "BASE64_ENCODE", "BLACKLIST", "CALENDAR_BUSY", "CALENDAR_EVENT",
    "CALENDAR_QUERY", "CALENDAR_QUERY_RESULT", "CALENDAR_WRITE", "CALLCOMPLETION", "CALLERPRES", "CHANNELS",
    "CHANNEL_EXISTS", "CHECKSIPDOMAIN", "CONFBRIDGE", "CONFBRIDGE_CHANNELS", "CONFBRIDGE_INFO", "CSV_QUOTE",
    "CURLOPT", "DB_KEYCOUNT", "DB_KEYS", "DB_UNIQUE", "DENOISE", "DIALGROUP", "DTMF_FLASH", "DTMF_TRACE",
    "DUNDILOOKUP", "DUNDIQUERY", "DUNDIRESULT", "ENUMQUERY", "ENUMRESULT", "ESCAPE_BACKSLASHES",
    "ESCAPE_SEMICOLONS", "ESCAPE_TICKS", "EVAL_EXTEN", "EVAL_SUB", "EXCEPTION", "EXPORT",
    "FAXOPT", "FEATURE", "FEATUREMAP", "FILE_COUNT_LINE", "FILE_FORMAT", "FRAME_DROP", "FRAME_MANIPULATE",
    "FRAME_TRACE", "GEOLOC_PROFILE", "GROUP_LIST", "GROUP_MATCH_COUNT", "HANGUPCAUSE", "HANGUPCAUSE_KEYS",
    "HINT", "HOLD_INTERCEPT", "IAXPEER", "IAXVAR", "ICONV", "JABBER_RECEIVE", "JABBER_STATUS",
    "JITTERBUFFER", "JSON_DECODE", "KEYPADHASH", "LOCAL_PEEK", "LOCK", "LTRIM", "MAILBOX_EXISTS",
    "MASTER_CHANNEL", "MD5", "MEETME_INFO", "MESSAGE", "MESSAGE_DATA", "MINIVMACCOUNT", "MINIVMCOUNTER",
    "MIXMONITOR", "MUTEAUDIO", "ODBC_FETCH", "OTHER_CHANNEL", "PASSTHRU", "PERIODIC_HOOK", "PITCH_SHIFT",
    "PJSIP_AOR", "PJSIP_CONTACT", "PJSIP_DTMF_MODE", "PJSIP_ENDPOINT", "PJSIP_HEADERS",
    "PJSIP_HEADER_PARAM", "PJSIP_MEDIA_OFFER", "PJSIP_MOH_PASSTHROUGH",
    "PJSIP_PARSE_URI", "PJSIP_PARSE_URI_FROM", "PJSIP_REGISTRATION", "PJSIP_RESPONSE_HEADER",
    "PJSIP_RESPONSE_HEADERS", "PJSIP_SEND_SESSION_REFRESH", "PJSIP_TRANSFER_HANDLING", "PP_EACH_EXTENSION",
    "PP_EACH_USER", "PRESENCE_STATE", "QUEUE_EXISTS", "QUEUE_GET_CHANNEL", "QUEUE_MEMBER",
    "QUEUE_MEMBER_COUNT", "QUEUE_MEMBER_LIST", "QUEUE_MEMBER_PENALTY", "QUEUE_VARIABLES",
    "QUEUE_WAITING_COUNT", "REALTIME", "REALTIME_DESTROY", "REALTIME_FIELD", "REALTIME_HASH",
    "REALTIME_STORE", "RTRIM", "SAYFILES", "SCRAMBLE", "SHA1", "SHARED", "SIPCHANINFO", "SIPPEER",
    "SMDI_MSG", "SMDI_MSG_RETRIEVE", "SORT", "SPEECH", "SPEECH_ENGINE", "SPEECH_GRAMMAR",
    "SPEECH_RESULTS_TYPE", "SPEECH_SCORE", "SPEECH_TEXT", "SPRINTF", "SQL_ESC", "SQL_ESC_BACKSLASHES",
    "SRVQUERY", "SRVRESULT", "STACK_PEEK", "STAT", "STIR_SHAKEN", "SYSINFO", "TALK_DETECT",
    "TESTTIME", "TRYLOCK", "TXTCIDNAME", "UNLOCK", "URIDECODE", "URIENCODE", "VALID_EXTEN",
    "VERSION", "VMCOUNT", "VM_INFO", "VOLUME",
];

/// Variables that Asterisk sets.
#[rustfmt::skip]
pub(crate) const VARIABLES: &[&str] = &[
    "ATTENDEDTRANSFER", "BLINDTRANSFER", "BRIDGEPEER", "BRIDGEPVTCALLID", "DIALEDPEERNAME",
    "DIALEDPEERNUMBER", "HINTNAME", "MEMBERINTERFACE", "MEMBERNAME", "MIXMONITOR_FILENAME", "PICKUPRESULT",
    "QEHOLDTIME", "QUEUEHOLDTIME", "QUEUEPOSITION", "QUEUESTATUS", "SIPCALLID", "SIPDOMAIN", "SIPTRANSFER",
    "SIPUSERAGENT", "SYSTEMSTATUS", "TRANSFERERNAME", "TRANSFER_CONTEXT",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{app, function};

    #[test]
    fn nothing_is_here_and_elsewhere() {
        for name in APPLICATIONS {
            assert!(app::all().iter().all(|app| !app.name.eq_ignore_ascii_case(name)), "{name}");
            assert!(app::REFUSED.iter().all(|(known, _)| !known.eq_ignore_ascii_case(name)), "{name}");
        }
        for name in FUNCTIONS {
            assert!(function::all().iter().all(|function| function.name != *name), "{name}");
            assert!(function::REFUSED.iter().all(|(known, _)| known != name), "{name}");
        }
        assert!(APPLICATIONS.is_sorted_by_key(|name| name.to_ascii_lowercase()));
    }

    #[test]
    fn who_writes_what_asterisk_has_made_no_slip() {
        let said = |text: &str| {
            crate::Dialplan::parse("x", &format!("[a]\nexten => 1,1,{text}\n")).map_err(|all| all.to_string())
        };
        for (text, told) in [
            ("FollowMe(1)", "x:2:14: Asterisk has FollowMe, this exchange does not"),
            ("NoOp(${CHANNELS()})", "x:2:21: Asterisk has CHANNELS, this exchange does not"),
            ("NoOp(${MD5(a)})", "x:2:21: Asterisk has MD5, this exchange does not"),
            (
                "StopMusicOnHold()",
                "x:2:14: StopMusicOnHold is refused: MusicOnHold(class,seconds) ends by itself, and with the call",
            ),
            (
                "NoOp(${CALLERID(nam)})",
                "x:2:30: CALLERID(nam) is not known: did you mean name? There are num, number, name, all, pres, num-pres, name-pres, dnid, dnid-num, rdnis, ani, ani-num, redirecting-num",
            ),
        ] {
            assert_eq!(said(text).unwrap_err(), told);
        }
    }
}
