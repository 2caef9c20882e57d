--- What --json prints: objects for other programs, and nothing else, on standard output. What people read
--- meanwhile goes to standard error. A command that fails says so as an object too (docs/schemas/error).
local M = {}

local out = io.stdout
local state = { told = false }

--- Print an object on a line of its own.
---@param object table
function M.tell(object)
  out:write(require("moonpulse.text.sorted_json").encode(object), "\n") -- most commands need none
  out:flush()
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
  io.stdout = io.stderr -- luacheck: ignore 122
  return setmetatable({}, { __close = function()
    print, io.stdout = before, stdout -- luacheck: ignore 121 122
  end })
end

--- The command begins: was JSON asked for?
---@param name string? of the command
---@param arguments string[]
function M.begin(name, arguments)
  state.asked, state.name = false, name
  for _, text in ipairs(arguments) do
    state.asked = state.asked or text == "--json"
  end
end

--- The command failed: an object says so where JSON was asked for, but for one that told its end already.
---@param code string of moonpulse.text.refusal
---@param status integer exit status
---@param message string
function M.failed(code, status, message)
  if state.asked and not state.told then
    M.tell { what = "moonpulse error", command = state.name, code = code, status = status,
      message = message }
  end
end

return M
