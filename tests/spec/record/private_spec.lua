--- Participants' data: who may read a run's folder, which codes are taken; and that what is installed can be
--- read by everybody.
local lfs = require "lfs"
local fixture = require "job"
local shell = require "shell"

local folder

before_each(function()
  folder = shell.folder()
end)

after_each(function()
  shell.remove(folder)
end)

local function modes(path)
  local list = { folder = lfs.attributes(path, "permissions") }
  for _, name in ipairs(shell.names(path)) do
    list[name] = lfs.attributes(path .. "/" .. name, "permissions")
  end
  for _, name in ipairs(shell.names(path .. "/sources")) do
    list["sources/" .. name] = lfs.attributes(path .. "/sources/" .. name, "permissions")
  end
  return list
end

local function run(umask, arguments)
  local out = folder .. "/runs"
  shell.remove(out)
  local status, _, err = shell.sh(folder, ("umask %s; exec %s run %s --out %s --beyond-guidelines test "
    .. "--approval none --tolerance 500 --late skip"):format(umask, shell.quote(shell.program), arguments,
    out))
  assert.are.equal(0, status, err)
  return fixture.run_in(out)
end

local function check_modes(path, of_folder, of_file, names)
  local found = modes(path)
  for _, name in ipairs(names) do
    assert.is_truthy(found[name], name .. " is missing")
  end
  for name, mode in pairs(found) do
    assert.are.equal((name == "folder" or name == "sources") and of_folder or of_file, mode, name)
  end
end

describe("a run's folder", function()
  local protocol, experiment

  before_each(function()
    protocol, experiment = folder .. "/made.lua", folder .. "/exp.lua"
    shell.write(protocol, [[local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", plan = function()
        return mp.train { pulses = 3, hz = 20, intensity = mp.mso(40) } end }]])
    shell.write(experiment, [[local mp = require "moonpulse"
      return mp.experiment(function(run) run:device():arm() run:mark "one" end)]])
  end)

  local files = { "events.tsv", "manifest.json", "recover.json", "report.html", "twin.tsv", "sources",
    "journal.jsonl", "verify.sh", "SHA256SUMS" }
  local with_flight = { "flight.bin", "sources/made.lua", table.unpack(files) }
  local of_experiment = { "flight.bin", "sources/exp.lua", table.unpack(files) }

  it("is its owner's, whatever the umask", function()
    for _, umask in ipairs { "000", "022", "077" } do
      check_modes(run(umask, protocol .. " --speed max"), "rwx------", "rw-------", files)
    end
    check_modes(run("000", protocol), "rwx------", "rw-------", with_flight)
    check_modes(run("000", experiment), "rwx------", "rw-------", of_experiment)
  end)

  it("is shared with its group where that is asked for", function()
    check_modes(run("077", protocol .. " --share-with-group"), "rwxr-x---", "rw-r-----", with_flight)
    check_modes(run("000", experiment .. " --share-with-group"), "rwxr-x---", "rw-r-----", of_experiment)
  end)

  it("stays as it was shared by hand when it is recovered", function()
    local path = run("077", experiment)
    os.execute(("chmod -R u=rwX,go=rX %s; sed -i 's/\"status\": \"completed\"/\"status\": \"running\"/g' "
      .. "%s/manifest.json; chmod 644 %s/manifest.json"):format(path, path, path))
    local recover = ("umask 077; %s recover %s"):format(shell.quote(shell.program), path)
    assert.are.equal(0, (shell.sh(folder, recover)))
    check_modes(path, "rwxr-xr-x", "rw-r--r--", of_experiment)
  end)
end)

describe("a person's code", function()
  it("is text that a table can hold, and no formula", function()
    local odd = { "=1+1", "+49", "-7", "@x", " =x", "\t7", "P\t7", "P\n7", "P\r", "\255", "P\27[2J",
      "P\u{202e}7", "", " ", ("x"):rep(65), "\u{ff1d}1" }
    for _, option in ipairs { "participant", "operator" } do
      for _, code in ipairs(odd) do
        local line = "run itbs600 --amt 40 --speed max --out %s/runs --%s=%s"
        local status, _, err = shell.moonpulse(folder, line:format(folder, option, shell.quote(code)))
        assert.are.equal(2, status, code)
        assert.matches((code:find "%S" and "--%s: a code is 1 to 64 characters"
          or "the value of --%s is empty"):format(option), err, 1, true)
        assert.is_nil(err:find("[%c\255]", 1) and err:gsub("\n", ""):find("[%c\255]"))
      end
    end
    assert.is_nil(lfs.attributes(folder .. "/runs", "mode"))
    for _, code in ipairs { "P07", "sub-012", "Ä7", "被験者7", "7", "a b" } do
      local line = "check itbs600 --amt 40 --out %s/runs --participant %s"
      local status, _, err = shell.moonpulse(folder, line:format(folder, shell.quote(code)))
      assert.are.equal(0, status, err)
    end
  end)

  it("goes with reasons that are text", function()
    for _, text in ipairs { "\255", "two\nlines", "\27[2J" } do
      local status, _, err = shell.moonpulse(folder, ("run itbs600 --amt 40 --speed max --out %s/runs "
        .. "--approval EC --beyond-guidelines=%s"):format(folder, shell.quote(text)))
      assert.are.equal(2, status)
      assert.matches("--beyond-guidelines: UTF-8 text on one line", err, 1, true)
    end
  end)
end)

describe("what is installed", function()
  it("is readable for everybody, whatever the umask", function()
    if shell.program ~= "build/moonpulse" then
      return pending "another build than the usual one is tried"
    end
    local line = "umask 077; make --no-print-directory install DESTDIR=%s/to"
    local status, _, err = shell.sh(folder, line:format(folder))
    assert.are.equal(0, status, err)
    local _, closed = shell.sh(folder, ("find %s/to/* ! -perm -a=r -o -type d ! -perm -a=x"):format(folder))
    assert.are.equal("", closed)
    local _, version = shell.sh(folder, folder .. "/to/usr/local/bin/moonpulse --version")
    assert.matches("^moonpulse %d", version)
  end)
end)
