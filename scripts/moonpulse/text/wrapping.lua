--- Text in lines of a width.
local M = {}

--- The words of a text in lines.
---@param text string
---@param width integer the most letters of a line; a longer word has a line of its own
---@return string[] lines at least one
function M.lines(text, width)
  local lines, line = {}, ""
  for word in text:gmatch("%S+") do
    if line ~= "" and #line + 1 + #word > width then
      lines[#lines + 1], line = line, word
    else
      line = line == "" and word or line .. " " .. word
    end
  end
  lines[#lines + 1] = line
  return lines
end

return M
