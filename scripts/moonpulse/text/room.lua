--- What to do about a file that cannot be written, by why: not always is it the disk that has no room.
local M = {}

local remedies = {
  { "Too many open files", "let fewer files be open (a script's io.open without close), or more of them "
    .. "(ulimit -n)" },
  { "File too large", "let files be longer (ulimit -f)" },
  { "Read%-only file system", "make the disk writable" },
  { "Permission denied", "make the folder writable for you" },
  { "No space left on device", "make room" },
  { "Disk quota exceeded", "make room" },
}

--- The remedy, as an instruction that a sentence goes on with.
---@param message any why, in the system's words
---@return string
function M.remedy(message)
  for _, each in ipairs(remedies) do
    if tostring(message):find(each[1]) then
      return each[2]
    end
  end
  return "mend that"
end

--- Is it this computer that has not enough of something (files, room, memory), and no device?
---@param message any
---@return boolean
function M.is_short(message)
  local text = tostring(message)
  for _, words in ipairs { "Too many open files", "File too large", "No space left on device",
    "Disk quota exceeded", "Cannot allocate memory", "Resource temporarily unavailable" } do
    if text:find(words, 1, true) then
      return text:find("guard", 1, true) ~= nil or text:find("flight record", 1, true) ~= nil
    end
  end
  return false
end

return M
