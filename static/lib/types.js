/**
 * The shapes that travel between this page and the server, as the protocol names them.
 *
 * @typedef {"scheduled"|"waiting"|"in_progress"|"ended"|"rejoin_pending"|"closed"} Phase
 * @typedef {"available"|"away"|"late"} Status
 * @typedef {"video"|"audio"} Mode
 * @typedef {"home"|"lodging"|"other"} PlaceKind
 *
 * @typedef {Object} Contact           how to reach a practice; any of it may be missing
 * @property {string} [name]
 * @property {string} [phone]
 * @property {string} [email]
 * @property {string} [url]
 * @property {string} [text]
 *
 * @typedef {{version: string, text: string}} Consent
 *
 * @typedef {Object} Practice
 * @property {string} id
 * @property {string} name
 * @property {string | Contact} [help]
 * @property {string | Contact} [backup]     shown when media cannot connect
 * @property {Consent} [consent]
 * @property {string} [time_zone]
 *
 * @typedef {{id?: string, name: string, status?: Status | "with_someone", minutes?: number}} Provider
 * @typedef {{id?: string, start?: number, end?: number, opens?: number, group?: boolean, names?: boolean}} Appointment  times are ms, UTC; `names` is told with a link alone
 *
 * @typedef {Object} Participant
 * @property {string} id
 * @property {"provider"|"co_provider"|"client"} role
 * @property {string} name
 * @property {boolean} [reconnecting]  nothing of their picture and sound arrives at the server, for seconds
 * @property {"connected"|"gone"|"left"} [presence]  `gone` lost the connection, `left` went out of a visit that goes on
 * @property {string} [client]         a provider's: the practice's id of a client
 * @property {boolean} [microphone]
 * @property {boolean} [camera]
 * @property {boolean} [screen]
 * @property {Mode} [mode]
 * @property {string} [mode_reason]
 * @property {"weak"} [network]        no picture gets through to them, or none from them: the server holds it back
 * @property {boolean} [you]
 *
 * @typedef {Object} Connectedness     how somebody's connection is now, as their browser told
 * @property {"good"|"fair"|"poor"} level
 * @property {number} rtt_ms
 * @property {number} loss             the part of the packets to them that never came, 0 to 1
 * @property {number} freezes          of their picture, in the last minute
 *
 * @typedef {Object} ClientView        the whole state as one client may see it
 * @property {Phase} phase
 * @property {number} [rev]
 * @property {Provider} provider
 * @property {Appointment} [appointment]
 * @property {Practice} practice
 * @property {boolean} [checked_in]
 * @property {boolean} [away]
 * @property {number} [ahead]
 * @property {string} [visit]
 * @property {number} [segment]
 * @property {number} [rejoin_until]   ms, UTC
 * @property {string[]} [agreed]       roles that chose to rejoin
 * @property {boolean} [mine]          whether this client is among them
 * @property {Participant[]} [participants]  only while in
 * @property {RTCIceServer[]} [ice_servers]  only while in
 * @property {"relay"|"direct"} [path]  only while in: through the server, or from browser to browser
 * @property {string} [outcome]
 * @property {string} [ended_by]
 * @property {string} [ended_reason]
 *
 * @typedef {Object} Entry             one who waits
 * @property {string} id
 * @property {string} [room]           of a provider who sees several
 * @property {string} [participant]
 * @property {string} [appointment]
 * @property {number} [rev]
 * @property {{id?: string, name: string}} client
 * @property {number} since            ms, UTC
 * @property {boolean} verified
 * @property {boolean} [acknowledged]
 * @property {boolean} [away]
 * @property {{camera?: boolean, microphone?: boolean}} [devices]
 * @property {Mode} [media]
 * @property {{state?: string, kind?: PlaceKind}} [place]
 * @property {string[]} [flags]
 *
 * @typedef {Object} RoomAppointment
 * @property {string} id
 * @property {string} [room]           of a provider who sees several
 * @property {string} [visit]
 * @property {number} [rev]
 * @property {Phase} phase
 * @property {number} start
 * @property {number} end
 * @property {string} [outcome]        of one that closed while this page looked on
 * @property {{id: string, name: string}} [host]
 * @property {boolean} [group]
 * @property {{id: string, participant?: string, name: string, seat?: string, presence?: string}[]} clients
 *
 * @typedef {Object} RoomVisit
 * @property {string} id
 * @property {string} [room]           of a provider who sees several
 * @property {string} [appointment]
 * @property {number} [rev]
 * @property {Phase} phase
 * @property {number} [segment]
 * @property {Participant[]} participants
 * @property {number} [started_at]
 * @property {number} [rejoin_until]
 * @property {string[]} [agreed]
 * @property {boolean} [mine]
 * @property {string} [ended_by]
 * @property {string} [ended_reason]
 * @property {RTCIceServer[]} [ice_servers]
 * @property {"relay"|"direct"} [path]
 *
 * @typedef {Object} ProviderView      the whole state as the provider may see it
 * @property {Status} [status]
 * @property {number} [minutes]
 * @property {Entry[]} waiting
 * @property {Entry[]} unverified
 * @property {RoomAppointment[]} appointments
 * @property {RoomVisit[]} visits
 *
 * @typedef {{mid: string, participant: string, kind: string, source?: string}} RemoteTrack
 *
 * @typedef {{type: string, re?: number, seq?: number, epoch?: unknown, at?: number} & Record<string, any>} Message
 */
export {};
