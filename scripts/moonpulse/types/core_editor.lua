---@meta _
--- A line that is edited on a terminal, of moonpulse.core. How it fails: see core.lua.

local core = {}

---@class moonpulse.core.Editor userdata moonpulse.editor
local Editor = {}

--- Read a line that is edited on the terminal. nil: on_line is told when there is one.
---@param prompt string
---@param names string[] what the Tab key completes
---@return string|false|nil line that was typed before already; false: the end
function Editor:read(prompt, names) end

--- These came while no line was read: the next lines are read from them first.
---@param bytes string
function Editor:typed(bytes) end

--- A line for the arrow keys, before those that were there.
---@param line string
function Editor:remember(line) end

--- The terminal is as it was before the editor; or it is the editor's again.
---@param lent boolean
function Editor:lend(lent) end

--- The line that is read is given up.
function Editor:leave() end

--- The same, for good. Also at the end of its scope.
function Editor:close() end

--- Edit lines of the terminal that is standard input and output; until it is closed that gives single keys
--- without echo between lines too. Fails where it is none.
---@param on_line fun(line: string|false) false: the end (Ctrl-D)
---@return moonpulse.core.Editor?
---@return string? message
---@return string? code
function core.editor(on_line) end

--- What was typed at the terminal that is standard input, and nobody has read, is let go: no shell gets it.
--- Nothing where there is none, or where another job has the terminal.
function core.forget_typed() end

return { core = core, Editor = Editor }
