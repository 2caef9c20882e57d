--- What --json prints: objects for other programs, and nothing else, on standard output. What people read
--- meanwhile goes to standard error. A command that fails says so as an object too (docs/schemas/error).
local M = {}

local state = { told = false, stdout = nil } -- while print goes elsewhere, what standard output was

local function write(object)
  local json = require "moonpulse.text.sorted_json" -- loaded for those who ask for it
  local out = state.stdout or io.stdout
  out:write(json.encode(object), "\n")
  out:flush()
end

--- A command begins, that has told nothing yet.
function M.begin()
  state.told = false
end

--- Print an object on a line of its own.
---@param object table
function M.tell(object)
  write(object)
  state.told = true
end

--- From now on, until what is returned is closed, what is printed goes to standard error.
---@return table to be closed
function M.aside()
  local before, stdout = print, io.stdout
  function print(...) -- luacheck: ignore 121
    local parts = table.pack(...)
    for i = 1, parts.n do
      parts[i] = tostring(parts[i])
    end
    io.stderr:write(table.concat(parts, "\t"), "\n")
  end
  io.stdout, state.stdout = io.stderr, stdout -- luacheck: ignore 122
  return setmetatable({}, { __close = function()
    print, io.stdout, state.stdout = before, stdout, nil -- luacheck: ignore 121 122
  end })
end

--- The command failed: an object says so, but for a command that told its end already.
---@param name string of the command; "": none was named
---@param code string of moonpulse.text.refusal
---@param status integer exit status
---@param message string
function M.failed(name, code, status, message)
  if not state.told then
    write { what = "moonpulse error", command = name ~= "" and name or nil, code = code, status = status,
      message = message }
  end
end

return M
