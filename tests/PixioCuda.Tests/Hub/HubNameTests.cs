using PixioCuda.Hub;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Hub;

public class HubNameTests
{
    [Theory]
    [InlineData("facebook/pixio-vith16", "facebook/pixio-vith16", "main")]
    [InlineData("facebook/pixio-vith16@v1.0", "facebook/pixio-vith16", "v1.0")]
    [InlineData("a/b@refs/pr/12", "a/b", "refs/pr/12")]
    [InlineData("Some_One/x.y_z-1@0123456789abcdef0123456789abcdef01234567", "Some_One/x.y_z-1", FakeHub.Commit)]
    public void A_name_is_owner_name_and_revision(string text, string repository, string revision)
    {
        Assert.True(HubModelName.TryParse(text, out HubModelName? name));
        Assert.Equal(new HubModelName(repository, revision), name);
    }

    [Theory]
    [InlineData("vith16")]
    [InlineData("/absolute/path")]
    [InlineData("./folder/model")]
    [InlineData("../model")]
    [InlineData("a/b/c")]
    [InlineData("folder/")]
    [InlineData("folder/model.safetensors")]
    [InlineData("folder/weights.pth")]
    [InlineData("a--b/c")]
    [InlineData("a/b..c")]
    [InlineData("a/-b")]
    [InlineData("a b/c")]
    [InlineData("random:vitb16")]
    [InlineData("C:\\models/x")]
    [InlineData("~/models")]
    public void What_does_not_look_like_a_repository_is_a_path(string text) => Assert.False(HubModelName.TryParse(text, out _));

    [Theory]
    [InlineData("a/b@")]
    [InlineData("a/b@../x")]
    [InlineData("a/b@x/../y")]
    [InlineData("a/b@/x")]
    [InlineData("a/b@x//y")]
    [InlineData("a/b@.x")]
    [InlineData("a/b@x y")]
    [InlineData("a/b@x\\y")]
    [InlineData("a/b@x@y")]
    public void A_revision_that_could_leave_its_folder_is_refused(string text) =>
        Assert.Contains("branch, a tag or a commit", Assert.Throws<ModelFormatException>(() => HubModelName.TryParse(text, out _)).Message,
            StringComparison.Ordinal);
}

public class HubSettingsTests
{
    [Fact]
    public void Nothing_set_means_the_hub_and_the_cache_of_the_user()
    {
        HubSettings settings = Read([]);
        Assert.Equal("https://huggingface.co", settings.Endpoint);
        Assert.Equal(Path.Combine(Home, ".cache", "huggingface", "hub"), settings.CacheFolder);
        Assert.False(settings.IsOffline);
    }

    [Fact]
    public void Variables_mean_what_they_mean_to_python()
    {
        Assert.Equal("/h/hub", Read(new() { ["HF_HOME"] = "/h" }).CacheFolder);
        Assert.Equal("/c", Read(new() { ["HF_HOME"] = "/h", ["HF_HUB_CACHE"] = "/c" }).CacheFolder);
        Assert.Equal("/x/huggingface/hub", Read(new() { ["XDG_CACHE_HOME"] = "/x" }).CacheFolder);
        Assert.Equal(Path.Combine(Home, "cache"), Read(new() { ["HF_HUB_CACHE"] = "~/cache" }).CacheFolder);
        Assert.Equal("http://mirror:8080/hf", Read(new() { ["HF_ENDPOINT"] = "http://mirror:8080/hf/" }).Endpoint);
        Assert.All(new[] { "1", "ON", "yes", "True" }, value => Assert.True(Read(new() { ["HF_HUB_OFFLINE"] = value }).IsOffline));
        Assert.All(new[] { "0", "", "no" }, value => Assert.False(Read(new() { ["HF_HUB_OFFLINE"] = value }).IsOffline));
    }

    [Fact]
    public void The_token_is_the_variables_else_the_files()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("token"), "hf_home\n");
        File.WriteAllText(folder.File("other"), " hf_other ");
        Assert.Equal(("hf_home", $"the file '{folder.File("token")}'"), Token(new() { ["HF_HOME"] = folder.Root }));
        Assert.Equal("hf_other", Token(new() { ["HF_HOME"] = folder.Root, ["HF_TOKEN_PATH"] = folder.File("other") }).Token);
        Assert.Equal(("hf_env", "HF_TOKEN"), Token(new() { ["HF_HOME"] = folder.Root, ["HF_TOKEN"] = "hf_env\r\n" }));
        Assert.Equal("hf_option", Token(new() { ["HF_TOKEN"] = "hf_env" }, new HubOptions { Token = "hf_option" }).Token);
        Assert.Equal((null, null), Token(new() { ["HF_TOKEN"] = "hf_env" }, new HubOptions { Token = "" }));
        Assert.Equal((null, null), Token(new() { ["HF_HOME"] = folder.File("nowhere") }));

        static (string? Token, string? Source) Token(Dictionary<string, string> variables, HubOptions? options = null)
        {
            HubSettings settings = Read(variables, options);
            return (settings.Token, settings.TokenSource);
        }
    }

    [Fact]
    public void A_token_that_is_none_is_refused_without_being_shown()
    {
        HubException exception = Assert.Throws<HubException>(() => Read(new() { ["HF_TOKEN"] = "hf_secret\nX-Evil: 1" }));
        Assert.DoesNotContain("hf_secret", exception.ToString(), StringComparison.Ordinal);
        Assert.Contains("HF_TOKEN", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("huggingface.co")]
    [InlineData("ftp://huggingface.co")]
    [InlineData("https://user:pass@huggingface.co")]
    [InlineData("https://huggingface.co?x=1")]
    public void An_address_that_is_none_is_refused(string endpoint)
    {
        HubException exception = Assert.Throws<HubException>(() => Read(new() { ["HF_ENDPOINT"] = endpoint }));
        Assert.Contains("HF_ENDPOINT", exception.Message, StringComparison.Ordinal);
    }

    private static string Home => Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);

    private static HubSettings Read(Dictionary<string, string> variables, HubOptions? options = null) =>
        HubSettings.Read(options ?? new HubOptions(), name => variables.GetValueOrDefault(name));
}
