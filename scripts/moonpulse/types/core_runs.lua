---@meta _
--- Many runs at once, of moonpulse.core: what their folders are like, and a database for their index. How
--- they fail: see core.lua.

local core = {}

--- The folders that lie in a folder, in no order, with those that this account may not look into; and what
--- each is like: a number that changes with the folder itself and, in it, with manifest.json, events.tsv and
--- SHA256SUMS. 0: one of them changed within the last two seconds, or cannot be looked at, so that nobody may
--- rely on it.
---@param path string
---@return string[]? names
---@return integer[]|string states; message
---@return string? code
function core.run_states(path) end

--- Open a database of SQLite, or make it; waits up to 5 s for other programs that write to it. In its SQL,
--- mp_sum(...) is a number that changes with any of the values.
---@param path string ":memory:": one that nobody else sees
---@return moonpulse.core.Database?
---@return string? message
---@return string? code "damaged": it is none, or broken; "busy"; "io"
function core.database(path) end

---@class moonpulse.core.Database userdata moonpulse.database
local Database = {}

--- Run one statement of SQL; nil, numbers and texts that follow stand for its question marks.
---@param sql string
---@param ... any
---@return any[]|boolean|nil ... a list for each column, of the values of its rows (false for none); true
---   where the statement has no columns; nil, message, code ("damaged", "busy", "io")
function Database:columns(sql, ...) end

--- Also at the end of its scope.
function Database:close() end

return { core = core, Database = Database }
