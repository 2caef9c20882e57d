--- The lines of a text that have their end. A pattern that wants a line end tries a last line that has none
--- from each of its bytes on: of a foreign file of one long line that takes hours.
local M = {}

--- Them, one after another; what comes behind the last line end is no line.
---@param text string
---@return fun(): string?
function M.of(text)
  local from = 1
  return function()
    local stop = text:find("\n", from, true)
    if not stop then
      return nil
    end
    local line = text:sub(from, stop - 1)
    from = stop + 1
    return line
  end
end

return M
