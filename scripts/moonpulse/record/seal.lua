--- The seal of a run's folder: SHA256SUMS, in sha256sum's own format, one line for every file but itself
--- and its signature, written last. Its own SHA-256 is the seal: it stands for the whole folder.
--
-- Whoever seals, the run itself and who writes in the folder later (recover, report, sign), adds a line to
-- the journal first, which has the hashes of all files, too: where the seal is taken away, or written again
-- over an edit, the journal still tells.
local clocks = require "moonpulse.record.clocks"
local core = require "moonpulse.core"
local files = require "moonpulse.record.file"
local journal_lines = require "moonpulse.record.journal_lines"
local journals = require "moonpulse.record.journal"
local lfs = require "lfs"
local scripts = require "moonpulse.record.verify_script"
local sha256 = require "moonpulse.text.sha256"

local M = {}

--- Its file, and that of its signature.
M.name, M.signature = "SHA256SUMS", "SHA256SUMS.sig"

local most_files, most_manifest, most_list = 10000, 16000000, 4000000

local left_out = { ["."] = true, [".."] = true }
local own = { [M.name] = true, [M.signature] = true }
local rewritten = { ["journal.jsonl"] = true, ["manifest.json"] = true, [scripts.name] = true } -- again

--- As a shell lists them: "name" before ".name" before "..name", each in the order of its bytes.
local function before(a, b)
  local dots_a, dots_b = #a:match("^%.?%.?"), #b:match("^%.?%.?")
  if dots_a ~= dots_b then
    return dots_a < dots_b
  end
  return a < b
end

local function list_into(list, folder, inside)
  local names = {}
  for name in lfs.dir(folder .. (inside == "" and "" or "/" .. inside)) do
    if not left_out[name] and not own[inside .. name] then
      names[#names + 1] = name
    end
  end
  table.sort(names, before)
  for _, name in ipairs(names) do
    local path = inside .. name
    local mode = lfs.symlinkattributes(folder .. "/" .. path, "mode")
    if #list >= most_files then
      error(("more than %d files: that is no folder of a run"):format(most_files), 0)
    elseif mode == "directory" then
      list_into(list, folder, path .. "/")
    else
      list[#list + 1] = { name = path, is_file = mode == "file" }
    end
  end
end

--- All that is in the folder of a run but the seal, in the order in which it is sealed.
---@param folder string
---@return { name: string, is_file: boolean }[]? nil: it cannot be listed
---@return string? message
function M.list(folder)
  local list = {}
  local ok, message = pcall(list_into, list, folder, "")
  return ok and list or nil, message
end

--- A line as sha256sum writes it: a name with a line end or a backslash is escaped, and the line says so.
---@param digits string
---@param name string
---@return string
function M.line(digits, name)
  local escaped = name:gsub("[\\\n\r]", { ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r" })
  return ("%s%s  %s\n"):format(escaped ~= name and "\\" or "", digits, escaped)
end

--- The seal in short, for people: its first 16 digits in fours.
---@param digits string
---@return string
function M.short(digits)
  return (digits:sub(1, 16):gsub("....", "%0 "):sub(1, -2))
end

--- The seal that a folder has now.
---@param folder string
---@return string? digits nil: it is not sealed
function M.current(folder)
  local text = core.read_file(folder .. "/" .. M.name, most_list)
  return text and sha256.of(text) or nil
end

--- Seal the folder of a run: verify.sh is written, then SHA256SUMS. A signature of an older seal goes.
---@param folder string
---@param known table<string, string>? SHA-256 of files by their name that were just computed
---@return string? seal SHA-256 of SHA256SUMS
---@return string? message
function M.write(folder, known)
  local ok, message = files.put(folder .. "/" .. scripts.name, scripts.text)
  local list = ok and nil
  if ok then
    list, message = M.list(folder)
  end
  local lines = {}
  for i, each in ipairs(list or {}) do
    local digits = each.is_file and known and known[each.name]
    if not digits then
      digits, message = sha256.of_file(folder .. "/" .. each.name)
    end
    if not digits then
      return nil, ("%s: it cannot be sealed: %s"):format(folder, message)
    end
    lines[i] = M.line(digits, each.name)
  end
  local text = table.concat(lines)
  if list then
    ok, message = files.put(folder .. "/" .. M.name, text)
  end
  if not list or not ok then
    return nil, ("%s: it cannot be sealed: %s"):format(folder, message)
  end
  os.remove(folder .. "/" .. M.signature)
  return sha256.of(text)
end

--- manifest.json with another journal_head and journal_lines, which are its last two; all else stays to the
--- byte, also a condition or a parameter of these names.
local function with_head(text, head, lines)
  local made, count = text:gsub('^(.*"journal_head"%s*:%s*")%x*("%s*,%s*"journal_lines"%s*:%s*)%d+(%s*}%s*)$',
    "%1" .. head .. "%2" .. lines .. "%3")
  if count == 1 then
    return made
  end
  -- of an older version, or of a run that was killed
  local last = text:match("^.*()}%s*$") -- no pattern that begins with blanks: many are tried from each on
  local added = (',"journal_head":"%s","journal_lines":%d}\n'):format(head, lines)
  return last and (text:sub(1, last - 1):match("^.*%S") or "") .. added or text
end

--- What the journal has of manifest.json: its SHA-256 without the journal's own head, which is in it.
---@param text string of manifest.json
---@return string
function M.manifest_sum(text)
  return sha256.of((with_head(text, journals.none, 0)))
end

--- The SHA-256 of each file of the folder (of manifest.json: manifest_sum), as the newest line of its journal
--- has them that has all: who seals writes it before.
---@param text string of the journal
---@return table<string, string>? nil: no line has
function M.told(text)
  local told
  for _, line in ipairs(journal_lines.of(text)) do
    local found = line.whole and line.entry.files
    told = type(found) == "table" and found["manifest.json"] and found or told
  end
  return told
end

--- The kinds of lines of those who seal: each writes its line first, then its hash into the manifest.
M.kinds = { sealed = true, recovered = true, report = true, signature = true, noted = true }

--- Does each line hold the hash of the one before? One that is torn is told by the next.
local function is_chained(lines)
  local head
  for number, line in ipairs(lines) do
    local after = lines[number + 1]
    local is_told = after and after.whole and after.entry.torn_line == number
    if not line.whole and line.text:find('"prev":"', 1, true) and after and not is_told
      or line.whole and line.entry.prev and line.entry.prev ~= head and head then
      return false
    end
    head = sha256.of(line.text)
  end
  return true
end

--- Is a journal the one that the manifest names? Who was killed between the two has written one line more.
---@param journal string the text of it
---@param manifest string likewise
---@return boolean
function M.is_headed(journal, manifest)
  local head, count = manifest:match('"journal_head"%s*:%s*"(%x*)"%s*,%s*"journal_lines"%s*:%s*(%d+)%s*}%s*$')
  if not head or head == journals.none then -- of an older version, or of a run that was killed
    return true
  end
  local lines, torn = journal_lines.of(journal)
  lines[#lines] = not torn and lines[#lines] or nil -- the disk was full
  local last = lines[#lines]
  local function is_named(at)
    return tonumber(count) == at and (lines[at] and sha256.of(lines[at].text)) == head
  end
  return is_chained(lines) and (is_named(#lines) or last ~= nil and last.whole
    and M.kinds[last.entry.kind] ~= nil and is_named(#lines - 1))
end

--- Which files are not as SHA256SUMS says.
local function differing_from_list(folder, text)
  local names, sealed = {}, {}
  for line in text:gmatch("[^\n]+") do
    sealed[line] = true
  end
  for _, each in ipairs(M.list(folder) or {}) do
    local digits = each.is_file and sha256.of_file(folder .. "/" .. each.name)
    local line = digits and M.line(digits, each.name):sub(1, -2)
    names[#names + 1] = not sealed[line] and each.name or nil
    sealed[line or ""] = nil
  end
  for line in pairs(sealed) do
    local name = line:sub(67)
    names[#names + 1] = not lfs.symlinkattributes(folder .. "/" .. name, "mode") and name or nil
  end
  return names
end

--- Which files are not as the journal's newest line has them that has them all.
local function differing_from_journal(folder, journal, told)
  local names, there = {}, {}
  local manifest = core.read_file(folder .. "/manifest.json", most_manifest)
  for _, each in ipairs(M.list(folder) or {}) do
    local digits = each.is_file and sha256.of_file(folder .. "/" .. each.name)
    there[each.name] = true
    if each.name == "manifest.json" then
      digits = manifest and M.manifest_sum(manifest)
    elseif each.name == "journal.jsonl" then -- it has no hash of itself
      digits = manifest and M.is_headed(journal, manifest) and told[each.name]
    end
    names[#names + 1] = digits ~= told[each.name] and each.name or nil
  end
  for name in pairs(told) do
    names[#names + 1] = not there[name] and name ~= scripts.name and name or nil -- that is written last
  end
  return names
end

--- Which files of a folder that was sealed are not as they were then, by their names. Where SHA256SUMS itself
--- was taken away the journal tells, which has the hashes of all files since they were sealed; a journal
--- without them is of an older version: then nothing tells how they were.
---@param folder string
---@return string[]? names nil: it was not sealed
---@return boolean? lost it was sealed, and its seal is gone
function M.differing(folder)
  local text, names = core.read_file(folder .. "/" .. M.name, most_list), nil
  if text then
    names = differing_from_list(folder, text)
  else
    local journal = core.read_file(folder .. "/journal.jsonl", journals.most_bytes) or ""
    local told = M.told(journal)
    if told then
      names = differing_from_journal(folder, journal, told)
    elseif lfs.symlinkattributes(folder .. "/" .. scripts.name, "mode") then -- it is written with the seal
      names = { M.name }
    end
  end
  if names then
    table.sort(names)
  end
  return names, names and not text
end

--- Which files of a folder that is sealed are not as its journal says: the seal was written again over an
--- edit.
---@param folder string
---@return string[] names empty too where the journal is of an older version, which does not say
function M.differing_from_journal(folder)
  local journal = core.read_file(folder .. "/journal.jsonl", journals.most_bytes) or ""
  local told = M.told(journal)
  local names = told and differing_from_journal(folder, journal, told) or {}
  table.sort(names)
  return names
end

--- Which of some files are not as SHA256SUMS says: changed, gone, or put there since.
---@param folder string
---@param names string[] of files without line ends in their names
---@return string[]? changed nil: the folder is not sealed
function M.changed(folder, names)
  local text = core.read_file(folder .. "/" .. M.name, most_list)
  if not text then
    return nil
  end
  local changed = {}
  for _, name in ipairs(names) do
    local digits = sha256.of_file(folder .. "/" .. name)
    local line = digits and "\n" .. M.line(digits, name)
    local is_as_sealed = line and ("\n" .. text):find(line, 1, true)
      or not line and not text:find("  " .. name .. "\n", 1, true)
        and not lfs.symlinkattributes(folder .. "/" .. name, "mode")
    changed[#changed + 1] = not is_as_sealed and name or nil
  end
  return changed
end

--- Add a line after what a journal has. One that was torn when the run was killed stays, and the new one
--- says so; a folder of an older version gets its first chained line.
---@param text string of the journal
---@param kind string
---@param entry table
---@return string text
---@return string head SHA-256 of the new line
---@return integer lines
function M.appended(text, kind, entry)
  local last, number = "", 0
  local torn = text ~= "" and text:sub(-1) ~= "\n"
  for line in (torn and text .. "\n" or text):gmatch("([^\n]*)\n") do
    last, number = line, number + 1
  end
  local told = { torn_line = torn and number or nil }
  for key, value in pairs(entry) do
    told[key] = value
  end
  local line = journals.line(kind, told, number + 1, number == 0 and journals.none or sha256.of(last))
  return text .. (torn and "\n" or "") .. line .. "\n", sha256.of(line), number + 1
end

--- Remove what a writer that was killed left beside the files that it wrote (files.beside): it is no part of
--- the record. Before anything is compared with the seal, by who has the folder's lock.
---@param folder string
function M.sweep(folder)
  for _, name in ipairs { M.name, M.name .. ".room", M.signature, scripts.name, "journal.jsonl",
    "manifest.json", "recover.json", "events.tsv", "events.json", "report.html",
    "streams.xdf" } do
    local path = ("%s/%s.new"):format(folder, name)
    if lfs.symlinkattributes(path, "mode") == "file" then
      os.remove(path)
    end
  end
end

--- Does the disk take so many bytes more in this folder? What is there stays where it does not.
local function check_room(folder, bytes)
  local path = folder .. "/" .. M.name .. ".room"
  local file, message = files.beside(path)
  local ok = file
  if file then
    os.remove(path .. ".new") -- who is killed from here on leaves nothing
    ok, message = file:write(("\0"):rep(bytes))
    local closed, why = file:close()
    ok, message = ok and closed, message or why
  end
  return ok and true, message and ("%s/%s: %s"):format(folder, M.name, message:gsub("^.*: ", ""))
end

--- All that is needed to seal again: it is read and hashed before anything is changed.
---@param hashed table<string, string> SHA-256 of files by their name that were just computed
---@param fresh table<string, string> texts of files by their name that are to be written with it
---@return { journal: string, manifest: string, known: table<string, string> }? nil: it cannot be sealed
---@return string? message
local function ready(folder, hashed, fresh)
  local text, message = "", nil
  if lfs.symlinkattributes(folder .. "/journal.jsonl", "mode") then
    text, message = core.read_file(folder .. "/journal.jsonl", journals.most_bytes)
  end
  local manifest, list = fresh["manifest.json"], nil
  if text and not manifest then
    manifest, message = core.read_file(folder .. "/manifest.json", most_manifest)
  end
  if text and manifest then
    list, message = M.list(folder)
  end
  local known = {}
  for name, bytes in pairs(fresh) do
    known[name] = not rewritten[name] and sha256.of(bytes) or nil
  end
  for _, each in ipairs(list or {}) do
    local path = folder .. "/" .. each.name
    if not each.is_file then
      return nil, ("%s is a %s, not a file: take it out of the folder"):format(path,
        tostring(lfs.symlinkattributes(path, "mode")))
    elseif not rewritten[each.name] and not fresh[each.name] then
      known[each.name] = hashed[each.name]
      if not known[each.name] then
        known[each.name], message = sha256.of_file(path)
      end
      if not known[each.name] then
        return nil, message
      end
    end
  end
  return list and { journal = text, manifest = manifest, known = known }, message
end

--- Take the seal away and write again. Where the disk does not take it, and the journal is as it was, the old
--- seal comes back.
---@param fresh table<string, string> texts of other files that the journal's new line has the hashes of
local function replace(folder, journal, manifest, known, fresh)
  local old = {}
  for name in pairs(own) do -- who is killed from here on leaves a folder that is not sealed
    old[name] = core.read_file(folder .. "/" .. name, most_list)
    os.remove(folder .. "/" .. name)
  end
  local ok, message = files.put(folder .. "/journal.jsonl", journal)
  if not ok then
    for name, bytes in pairs(old) do
      files.put(folder .. "/" .. name, bytes)
    end
    return nil, message
  end
  for name, text in pairs(fresh) do
    if ok and name ~= "manifest.json" then
      ok, message = files.put(folder .. "/" .. name, text)
    end
  end
  if ok then
    ok, message = files.put(folder .. "/manifest.json", manifest)
  end
  if not ok then
    return nil, message
  end
  return M.write(folder, known)
end

--- What the journal's line has of the files that the seal is to hold.
local function told_of(now)
  local told = { ["manifest.json"] = M.manifest_sum(now.manifest), [scripts.name] = sha256.of(scripts.text) }
  for name, digits in pairs(now.known) do
    told[name] = digits
  end
  return told
end

--- Is the journal's last line the one that the manifest names? That is enough for the run itself, which has
--- just written all of it; and costs nothing, however long it is.
local function ends_as_named(now)
  local journal, from = now.journal, #now.journal
  local head = now.manifest:match('"journal_head"%s*:%s*"(%x*)"[^"]*"journal_lines"[^"]*$')
  while from > 1 and journal:byte(from - 1) ~= 10 do
    from = from - 1
  end
  return head ~= nil and journal:sub(-1) == "\n" and sha256.of(journal:sub(from, -2)) == head
end

--- The names that did not fit, with the journal where it is not the one that the manifest names: the new line
--- would hide it.
local function with_journal(differed, now)
  local list = table.move(differed or {}, 1, #(differed or {}), 1, {})
  local has = false
  for _, name in ipairs(list) do
    has = has or name == "journal.jsonl"
  end
  if not has and not M.is_headed(now.journal, now.manifest) then
    list[#list + 1] = "journal.jsonl"
  end
  return list[1] and list or nil
end

--- Something was done to a run that is over: its journal gets a line, the manifest the new head, the folder a
--- new seal. Where it cannot be sealed (a link, a full disk), all is as it was.
---@param folder string
---@param kind string of schema.acts
---@param entry table what was done, and by whom
---@param differed string[]? what did not fit the seal before, of differing(): the line has it, and verify
---   says so
---@param hashed table<string, string>? SHA-256 of files by their name that were just computed
---@param fresh table<string, string>? texts of files by their name (manifest.json among them) that are
---   written with it, after the journal's line
---@return string? seal
---@return string? message
function M.again(folder, kind, entry, differed, hashed, fresh)
  M.sweep(folder)
  fresh = fresh or {}
  local now, message = ready(folder, hashed or {}, fresh)
  if not now then
    return nil, message
  end
  local is_own = kind == "sealed" and not differed and ends_as_named(now)
  differed = not is_own and with_journal(differed, now) or nil
  local told = { at = clocks.now(), who = "n/a", differed = differed, seal_before = M.current(folder) }
  for key, value in pairs(entry) do
    told[key] = value
  end
  told.files = told_of(now)
  local text, head, lines = M.appended(now.journal, kind, told)
  local ok
  local more = 0
  for _, bytes in pairs(fresh) do
    more = more + #bytes
  end
  ok, message = check_room(folder, #text + #now.manifest + more
    + math.min(lfs.attributes(folder .. "/" .. M.name, "size") or 0, most_list) + #scripts.text + 65536)
  if not ok then
    return nil, message
  end
  return replace(folder, text, with_head(now.manifest, head, lines), now.known, fresh)
end

return M
